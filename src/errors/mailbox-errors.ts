/** Errors of mailboxes, which mail programs see over IMAP. Part of ../errors.ts. */
import { define } from './error-definition.ts'

export const mailboxErrors = {
  mailbox_not_found: define<{ name: string }>({ kind: 'not_found', message: (p) => `There is no mailbox ${p.name}` }),
  mailbox_exists: define<{ name: string }>({
    kind: 'taken',
    message: (p) => `${p.name} exists, or its label is in use`,
  }),
  mailbox_refused: define<{ detail: string }>({ kind: 'unprocessable', message: (p) => p.detail }),
  flag_not_allowed: define<{ flag: string }>({
    kind: 'unprocessable',
    message: (p) => `The flag ${p.flag} cannot be stored: it is too long, or a mailbox or Martlet uses the word`,
  }),
  search_too_costly: define<{ messagesMax: number }>({
    kind: 'unprocessable',
    message: (p) => `The search would have to read more than ${p.messagesMax} messages`,
    fix: 'Search in the subject, the addresses or the text, or in fewer messages.',
  }),
} as const
