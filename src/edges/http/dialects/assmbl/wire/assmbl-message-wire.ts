/**
 * Messages for clients of Assmbl: the members of a message are in PascalCase, as its documentation shows them, and all
 * others are in snake_case (docs/compatibility/assmbl.md).
 */
import { isUtf8 } from 'node:buffer'
import { formatAddress } from '../../../../../formats/address/address.ts'
import { CORRELATION_ID, fieldOf, IDEMPOTENCY_KEY } from '../../../../../formats/agentmail-fields.ts'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import { ARCHIVED, DUPLICATE, FLAGGED, isOwnLabel, REPLIED } from '../../../../../mail/messages/labels/label-rules.ts'
import type { SenderTrust } from '../../../../../mail/messages/sender-trust.ts'
import type {
  Attachment,
  MessageFilter,
  MessageItem,
  MessageWithSource,
} from '../../../../../mail/messages/views/message.ts'

interface InboxQuery {
  readonly q?: string
  readonly label?: string
  readonly is_read?: boolean
  readonly include_archived?: boolean
  readonly verified_only?: boolean
}

/** The list contains received messages only, also those without authentication; spam, blocked and trash stay out. */
export function readInboxFilter(query: InboxQuery): MessageFilter {
  const { q, label, is_read, include_archived = false, verified_only = false } = query
  return {
    labels: ['received', ...(label === undefined ? [] : [label]), ...(is_read === false ? ['unread'] : [])],
    withoutLabels: [...(include_archived ? [] : [ARCHIVED]), ...(is_read === true ? ['unread'] : [])],
    include: ['unauthenticated'],
    ...(q !== undefined && { text: q }),
    ...(verified_only && { isSenderVerified: true }),
  }
}

export function inboxPage(page: Page<MessageItem>, trust: SenderTrust) {
  return {
    items: page.items.map((item) => messageItem(item, trust)),
    next_cursor: page.nextPageToken ?? null,
  }
}

export function messageItem(view: MessageItem, trust: SenderTrust) {
  return {
    MessageID: view.id, // needs no escaping in a URL, unlike the Message-ID of the header
    InternetMessageID: view.messageId,
    ThreadID: view.threadId,
    AgentID: view.inboxAddress,
    Sender: view.envelopeSender ?? view.inboxAddress,
    SenderVerified: trust.isVerified(view),
    From: view.from ? formatAddress(view.from) : '',
    To: view.to.map(formatAddress),
    Cc: view.cc.map(formatAddress),
    Subject: view.subject ?? '',
    Preview: view.preview ?? '',
    ReceivedAt: new Date(view.timestamp).toISOString(),
    IsRead: !view.labels.includes('unread'),
    Archived: view.labels.includes(ARCHIVED),
    Labels: shownLabels(view.labels),
    Attachments: view.attachments.map(attachmentStatus),
    SizeBytes: view.sizeBytes,
  }
}

/** @param rawUrl link to the message, which also works if it is too large for `raw_mime` */
export function wholeMessage({ message, source }: MessageWithSource, trust: SenderTrust, rawUrl: string) {
  const { headers } = message
  return Object.assign(messageItem(message, trust), {
    CorrelationID: fieldOf(headers, CORRELATION_ID) ?? null,
    IdempotencyKey: fieldOf(headers, IDEMPOTENCY_KEY) ?? null,
    body_text: message.text ?? message.textFromHtml ?? null,
    body_html: message.html ?? null,
    ...rawMime(source),
    raw_mime_url: rawUrl,
  })
}

/** Bytes that are not UTF-8 become one character each, so that no byte is lost: the name of the encoding says which. */
function rawMime(source: Buffer | undefined) {
  if (!source) return { raw_mime: null, raw_mime_encoding: null }
  const encoding = isUtf8(source) ? 'utf-8' : 'latin-1'
  return { raw_mime: source.toString(encoding === 'utf-8' ? 'utf8' : 'latin1'), raw_mime_encoding: encoding }
}

/** The state of an attachment of a stored message: it can be downloaded, because it is found before the message is stored. */
export function attachmentStatus({ filename, contentType, sizeBytes }: Attachment, index: number) {
  return {
    index,
    status: 'ready',
    file_name: filename ?? null,
    content_type: contentType,
    size_bytes: sizeBytes,
  }
}

/** Labels with a meaning in other APIs. No member shows them, and a client that has set one must find it again. */
const STATES: ReadonlySet<string> = new Set([DUPLICATE, REPLIED, FLAGGED, 'spam', 'trash'])

/** Labels that clients of Assmbl set; whether a message is read or archived has a member of its own. */
export function shownLabels(labels: readonly string[]): string[] {
  return labels.filter((label) => isOwnLabel(label) || STATES.has(label))
}
