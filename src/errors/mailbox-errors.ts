/** Errors of mailboxes, which mail programs see over IMAP. Part of ../errors.ts. */
import { define } from './error-definition.ts'

export const mailboxErrors = {
  mailbox_not_found: define<{ name: string }>({ kind: 'not_found', message: (p) => `There is no mailbox ${p.name}` }),
  flag_not_allowed: define<{ flag: string }>({
    kind: 'unprocessable',
    message: (p) => `The flag ${p.flag} cannot be stored: it is too long, or a mailbox or Martlet uses the word`,
  }),
} as const
