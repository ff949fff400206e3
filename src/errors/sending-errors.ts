/** Errors of sending mail, and of drafts. Part of ../errors.ts. */
import { define } from './error-definition.ts'

/** The list that refuses a recipient. Each dialect says how to change it. */
export interface ListRefusal {
  readonly address: string
  readonly direction: string
  readonly type: 'allow' | 'block'
  /** The matching entry of a block list. */
  readonly entry?: string | undefined
  /** The pod or inbox that has the list; neither: the organization. */
  readonly podId?: string | undefined
  readonly inboxAddress?: string | undefined
  /** The server made the entry because mail to the address bounced, or was reported as spam. */
  readonly isBounce?: boolean | undefined
}

export const sendingErrors = {
  no_recipients: define<{ detail?: string }>({
    kind: 'unprocessable',
    message: (p) => p.detail ?? 'The message has no recipients',
    fix: 'Give at least one address in to, cc or bcc.',
  }),
  too_many_recipients: define<{ recipientsMax: number }>({
    kind: 'invalid',
    message: (p) => `A message can have at most ${p.recipientsMax} recipients in to, cc and bcc together`,
    fix: 'Send several messages.',
  }),
  message_rejected: define<{ detail: string; refusals?: readonly ListRefusal[]; fix?: string }>({
    kind: 'rejected',
    message: (p) => `Message rejected: ${p.detail}`,
  }),
  automatic_loop: define({
    kind: 'rejected',
    message: () => 'The answered message was written by a program: an automatic answer to it would make a loop',
    fix: 'Do not answer it, or let a person write the answer, without the header Auto-Submitted.',
  }),
  inbox_paused: define<{ address: string }>({
    kind: 'rejected',
    message: (p) => `The inbox ${p.address} is paused`,
    fix: 'Set its status to active, or use another inbox.',
  }),
  draft_sending: define({
    kind: 'conflict',
    message: () => 'The draft is being sent',
    fix: 'Retry in a moment. A draft that was sent is gone, and its message is in the inbox.',
    endsByItself: true,
  }),
  // Not a conflict: clients would repeat the call.
  draft_sent: define({
    kind: 'invalid',
    message: () => 'The draft with this client_id was sent: its message is in the inbox',
    fix: 'Sending the draft by its client_id returns the ids of the message. Use another client_id for another draft.',
  }),
  draft_changed: define({
    kind: 'conflict',
    message: () => 'Another call has just changed the draft; nothing was changed or sent by this one',
    fix: 'Read the draft again, then retry.',
  }),
  already_archived: define({
    kind: 'conflict',
    message: () => 'The message is already archived',
  }),
  idempotency_conflict: define({
    kind: 'conflict',
    message: () => 'This Idempotency-Key was used for another request',
    fix: 'Use another key for another message. A retry repeats the whole request, with the same path and body.',
  }),
  idempotency_running: define({
    kind: 'conflict',
    message: () => 'A request with this Idempotency-Key is still running',
    fix: 'Wait as long as the header Retry-After says, and repeat the request with the same key: the response is then the result of the first one.',
    endsByItself: true,
  }),
  sender_not_allowed: define<{ sender: string }>({
    kind: 'forbidden',
    message: (p) => `Sender not authorized: ${p.sender === '' ? '<>' : p.sender} is not the address of this login`,
    fix: 'Send from the address of the inbox, with or without a plus tag.',
  }),
  author_not_allowed: define<{ detail: string }>({
    kind: 'forbidden',
    message: (p) => `Sender not authorized: ${p.detail}`,
    fix: 'Write the address of the inbox into From, alone, with or without a plus tag.',
  }),
  malformed_message: define<{ detail: string }>({
    kind: 'invalid',
    message: (p) => `The message cannot be sent: ${p.detail}`,
  }),
} as const
