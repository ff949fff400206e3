/** Errors of receiving mail. Part of ../errors.ts. */
import { define } from './error-definition.ts'

export const receivingErrors = {
  unknown_recipient: define<{ address: string }>({
    kind: 'not_found',
    message: (p) => `There is no mailbox ${p.address} here`,
  }),
  inbox_full: define<{ address: string }>({
    kind: 'temporary',
    message: (p) => `The inbox ${p.address} is full`,
    fix: 'Delete messages, or raise its quota_bytes or quota_messages.',
  }),
  sender_rate_exceeded: define<{ sender: string; max: number }>({
    kind: 'rate_limited',
    message: (p) => `Too many messages from ${p.sender}: at most ${p.max} per hour`,
    fix: 'Send again later.',
  }),
  recipient_rate_exceeded: define<{ address: string; max: number }>({
    kind: 'rate_limited',
    message: (p) => `Too many messages for ${p.address}: at most ${p.max} per hour`,
    fix: 'Send again later.',
  }),
  spam_rejected: define({
    kind: 'rejected',
    message: () => 'The message was taken for spam',
    fix: 'If it is not, write to the postmaster of the domain.',
  }),
  spam_deferred: define({
    kind: 'rate_limited',
    message: () => 'The message is not accepted now; send it again later',
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
