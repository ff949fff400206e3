/** Errors of receiving mail. Part of ../errors.ts. */
import { define } from './error-definition.ts'

export const receivingErrors = {
  unknown_recipient: define<{ address: string }>({
    kind: 'not_found',
    message: (p) => `There is no mailbox ${p.address} here`,
  }),
  mail_loop: define<{ hopsMax: number }>({
    kind: 'rejected',
    message: (p) => `Mail loop: the message has gone through more than ${p.hopsMax} servers`,
  }),
  dmarc_rejected: define<{ domain: string }>({
    kind: 'rejected',
    message: (p) => `The DMARC policy of ${p.domain} rejects this message: neither SPF nor DKIM passes for that domain`,
    fix: 'Send it through the servers of that domain, or sign it with DKIM for that domain.',
  }),
  relaying_denied: define<{ domain: string }>({
    kind: 'rejected',
    message: (p) => `Relaying denied: this server accepts no mail for ${p.domain}`,
    fix: 'Send it to the mail servers (MX) of that domain.',
  }),
} as const
