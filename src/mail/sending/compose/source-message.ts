/**
 * Derives what a reply or forward takes from the message that it answers or forwards: subject, recipients, thread, and
 * the original itself. Calls that send at once and drafts use the same functions. Pure.
 */
import { MailError } from '../../../errors.ts'
import { withoutTag } from '../../../formats/address/address.ts'
import { linesOfHtml } from '../../../formats/html/html-lines.ts'
import { forwardSubject, type Original, replyReferences, replySubject } from '../../../formats/reply/reply-compose.ts'
import type { StoredMessageRow } from '../../../store/tables/messages-table.ts'
import type { Message, MessageItem } from '../../messages/views/message.ts'
import type { OutgoingReply } from './outgoing.ts'
import { type ReplyRecipients, replyRecipients } from './reply-recipients.ts'

/** The place of a message in its thread. */
export interface ThreadPlace {
  readonly inReplyTo?: string
  readonly references: readonly string[]
  readonly threadId: string
}

export interface DerivedReply extends ThreadPlace {
  readonly subject: string
  /** For each of `to` and `cc` that the caller does not name. */
  readonly recipients: ReplyRecipients
}

/**
 * @param own addresses of the inbox (own-address.ts)
 * @param row the message that is answered, and how it is shown
 * @throws validation_error, no_recipients
 */
export function deriveReply(
  own: readonly string[],
  row: StoredMessageRow,
  parent: MessageItem,
  reply: Pick<OutgoingReply, 'to' | 'cc' | 'bcc' | 'toAll'>,
): DerivedReply {
  return {
    subject: replySubject(parent.subject),
    recipients: checkReplyRecipients(arrivedAt(own, row), parent, reply),
    ...replyReferences(threadFields(row, parent)),
    threadId: parent.threadId,
  }
}

export interface DerivedForward extends Omit<ThreadPlace, 'inReplyTo'> {
  readonly subject: string
}

/** No In-Reply-To: a forward is not a reply. References let other mail programs show it with its source. */
export function deriveForward(row: StoredMessageRow, parent: MessageItem): DerivedForward {
  const { references } = replyReferences(threadFields(row, parent))
  return { subject: forwardSubject(parent.subject), references, threadId: parent.threadId }
}

/** Returns the fields that a reply refers to. `messageId` is that of the parent's header, or ours if it had none. */
function threadFields(row: StoredMessageRow, parent: MessageItem) {
  return {
    messageId: row.header_message_id ?? row.api_message_id,
    ...(parent.inReplyTo !== undefined && { inReplyTo: [parent.inReplyTo] }),
    references: parent.references,
  }
}

/** Adds the address at which the message has arrived: it may be one of many that a catch-all receives. */
function arrivedAt(own: readonly string[], { envelope_recipient: recipient }: StoredMessageRow): ReadonlySet<string> {
  return new Set(recipient === null ? own : [...own, withoutTag(recipient)])
}

function checkReplyRecipients(
  own: ReadonlySet<string>,
  parent: MessageItem,
  { to, cc, bcc, toAll }: Pick<OutgoingReply, 'to' | 'cc' | 'bcc' | 'toAll'>,
): ReplyRecipients {
  const isNamed = [to, cc, bcc].some((list) => list?.length)
  if (toAll && isNamed) {
    const detail = 'reply_all cannot be combined with to, cc or bcc'
    throw new MailError('validation_error', { detail, path: ['reply_all'] })
  }
  const recipients = replyRecipients(own, parent, {
    isToAll: toAll ?? false,
    isToNamed: (to?.length ?? 0) > 0,
  })
  if (!isNamed && recipients.to.length + recipients.cc.length === 0) {
    const addresses = recipients.dropped.map(({ address }) => address).join(', ')
    const detail = `The original message has no address that can receive mail${addresses && `, only ${addresses}`}`
    throw new MailError('no_recipients', { detail })
  }
  return recipients
}

/** Returns the original as a forward or a quote contains it. A message that has only HTML also has the text that it shows. */
export function originalOf(parent: Message): Original {
  const text = parent.text ?? parent.textFromHtml
  const date = parent.headers.find(([name]) => name.toLowerCase() === 'date')?.[1]
  const parsed = date === undefined ? Number.NaN : Date.parse(date)
  return {
    from: parent.from ? [parent.from] : [],
    to: parent.to,
    cc: parent.cc,
    ...(parent.subject !== undefined && { subject: parent.subject }),
    date: new Date(Number.isNaN(parsed) ? parent.timestamp : parsed),
    ...(text !== undefined && { text }),
    ...(parent.html !== undefined && { html: parent.html }),
  }
}

/** Returns the bodies of the sender, for the functions that add the original to them. */
export function addedBodies({
  text,
  html,
}: {
  readonly text?: string | undefined
  readonly html?: string | undefined
}) {
  return { ...(text !== undefined && { text }), ...(html !== undefined && { html }) }
}

/** Of the sender's HTML, so much is read for the text of a forward: it takes some milliseconds of the event loop. */
const READ_CHARS_MAX = 200_000

/** The same for a forward, which always has a text: of a sender who has written HTML only, it contains what that shows. */
export function forwardingBodies({ text, html }: Parameters<typeof addedBodies>[0]) {
  const isHtmlOnly = text === undefined && html !== undefined
  const shown = isHtmlOnly ? linesOfHtml(html.slice(0, READ_CHARS_MAX), READ_CHARS_MAX) : text
  return addedBodies({ text: shown, html })
}
