/**
 * Compares the types of the client with what the server sends: `npm run check` compiles it, and nothing runs it.
 */
import type { AttachmentStatus, InboxItem, InboxPage, Link, Message, SentMail, Upload, Webhook } from 'martlet/assmbl'
import type { downloadLink, uploadTicket } from '../../../src/edges/http/dialects/assmbl/wire/assmbl-attachment-wire.ts'
import type {
  attachmentStatus,
  inboxPage,
  messageItem,
  wholeMessage,
} from '../../../src/edges/http/dialects/assmbl/wire/assmbl-message-wire.ts'
import type { sentMail } from '../../../src/edges/http/dialects/assmbl/wire/assmbl-sending-wire.ts'
import type { shownWebhook } from '../../../src/edges/http/dialects/assmbl/wire/assmbl-webhook-wire.ts'

/** Accepts two types with the same members. Texts of the server are those that the client lists. */
type SameMembers<One, Other> = keyof One extends keyof Other ? (keyof Other extends keyof One ? true : never) : never

export const compared: readonly true[] = [
  true satisfies SameMembers<InboxItem, ReturnType<typeof messageItem>>,
  true satisfies SameMembers<InboxPage, ReturnType<typeof inboxPage>>,
  true satisfies SameMembers<Message, ReturnType<typeof wholeMessage>>,
  true satisfies SameMembers<AttachmentStatus, ReturnType<typeof attachmentStatus>>,
  true satisfies SameMembers<SentMail, ReturnType<typeof sentMail>>,
  true satisfies SameMembers<Upload, ReturnType<typeof uploadTicket>>,
  true satisfies SameMembers<Link, ReturnType<typeof downloadLink>>,
  true satisfies SameMembers<Webhook, ReturnType<typeof shownWebhook>>,
]
export const item = (sent: ReturnType<typeof messageItem>): Omit<InboxItem, 'Attachments'> => sent
