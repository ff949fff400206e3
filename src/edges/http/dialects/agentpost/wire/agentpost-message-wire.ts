/** Messages, and requests to send one (docs/compatibility/agentpost.md). */
import { type Static, Type } from 'typebox'
import type { Attachment, DownloadLink, Message, MessageItem } from '../../../../../mail/messages/views/message.ts'
import type {
  OutgoingMessage,
  OutgoingReply,
  RequestedAttachment,
  Sent,
} from '../../../../../mail/sending/compose/outgoing.ts'
import { readUploadKey, shownAttachmentId, shownId } from '../prefixed-ids.ts'
import { addressObject, Recipients, readRecipients } from './address-wire.ts'
import { time } from './agentpost-shape-wire.ts'

/** A message in a list: without bodies. */
export function messageItem(view: MessageItem) {
  return {
    id: shownId('msg', view.id),
    inbox_id: shownId('inb', view.inboxId),
    environment_id: shownId('env', view.podId),
    thread_id: shownId('thr', view.threadId),
    direction: view.authentication.result === 'own' ? 'outbound' : 'inbound',
    subject: view.subject ?? null,
    from_address: view.from ? addressObject(view.from) : null,
    to_addresses: view.to.map(addressObject),
    cc_addresses: view.cc.map(addressObject),
    bcc_addresses: view.bcc.map(addressObject),
    preview: view.preview ?? null,
    labels: view.labels,
    has_attachments: view.attachments.length > 0,
    attachments: view.attachments.map((each) => attachment(view.id, each)),
    header_message_id: view.messageId,
    created_at: time(view.timestamp),
    updated_at: time(view.updatedAt),
  }
}

export function message(view: Message) {
  return Object.assign(messageItem(view), {
    text_body: view.text ?? view.textFromHtml ?? null,
    html_body: view.html ?? null,
    extracted_text: view.extractedText ?? view.text ?? view.textFromHtml ?? null,
  })
}

/** What is known of a sent message without reading it, for a key that may send and not read. */
export function sentMessage(sent: Sent, { subject, text, html }: Partial<OutgoingMessage>) {
  return {
    id: shownId('msg', sent.id),
    inbox_id: shownId('inb', sent.inboxId),
    thread_id: shownId('thr', sent.threadId),
    direction: 'outbound',
    subject: subject ?? null,
    text_body: text ?? null,
    html_body: html ?? null,
    header_message_id: sent.messageId,
  }
}

export function attachment(messageId: string, view: Attachment) {
  return {
    id: shownAttachmentId(messageId, view.id),
    message_id: shownId('msg', messageId),
    filename: view.filename ?? null,
    mime_type: view.contentType,
    size: view.sizeBytes,
  }
}

export function attachmentLink(publicUrl: string, messageId: string, view: Attachment & DownloadLink) {
  return {
    ...attachment(messageId, view),
    download_url: `${publicUrl}/api/v1/downloads/${view.token}`,
    expires_at: time(view.expiresAt),
  }
}

/** An attachment that was uploaded before. */
export const AttachmentKey = Type.Object({
  key: Type.String(),
  filename: Type.Optional(Type.String()),
  mime_type: Type.Optional(Type.String()),
})

export function readAttachmentKey(body: Static<typeof AttachmentKey>): RequestedAttachment {
  return { uploadId: readUploadKey(body.key), filename: body.filename, contentType: body.mime_type }
}

const bodies = {
  text_body: Type.Optional(Type.String({ contentMediaType: 'text/plain' })),
  html_body: Type.Optional(Type.String({ contentMediaType: 'text/html' })),
  attachments: Type.Optional(Type.Array(AttachmentKey)),
}

const recipients = {
  to: Type.Optional(Recipients),
  cc: Type.Optional(Recipients),
  bcc: Type.Optional(Recipients),
  reply_to: Type.Optional(Recipients),
}

export const mailMembers = { ...recipients, subject: Type.Optional(Type.String()), ...bodies }

const TEXT = 'write text_body or html_body'

/** Also in drafts. The client packages send any member. */
export const misnamed = {
  text: 'write text_body',
  txt: 'write text_body',
  html: 'write html_body',
  body: TEXT,
  content: TEXT,
  message: TEXT,
  send_at: 'this API has no scheduled sends',
  from: 'the sender is the inbox',
  from_address: 'the sender is the inbox',
  // As messages and drafts show them.
  to_addresses: 'write to',
  cc_addresses: 'write cc',
  bcc_addresses: 'write bcc',
}

const ANSWER = 'the path decides the thread. Answer a message with POST /messages/{message_id}/reply'

export const SendBody = Type.Object(
  { ...mailMembers, labels: Type.Optional(Type.Array(Type.String())) },
  { misnamed: { ...misnamed, in_reply_to: ANSWER, thread_id: ANSWER } },
)

export const ReplyBody = Type.Object(
  {
    ...recipients,
    ...bodies,
    reply_all: Type.Optional(Type.Boolean()),
    labels: Type.Optional(Type.Array(Type.String())),
  },
  { misnamed },
)

type Bodies = Static<typeof ReplyBody> & { readonly subject?: string }

export function readMail(body: Omit<Bodies, 'reply_all'>): OutgoingMessage {
  return {
    to: readRecipients(body.to),
    cc: readRecipients(body.cc),
    bcc: readRecipients(body.bcc),
    replyTo: readRecipients(body.reply_to),
    subject: body.subject,
    text: body.text_body,
    html: body.html_body,
    attachments: body.attachments?.map(readAttachmentKey),
    labels: body.labels,
  }
}

export function readReply({ reply_all, ...body }: Static<typeof ReplyBody>): OutgoingReply {
  const { subject: _, ...mail } = readMail(body)
  return { ...mail, toAll: reply_all }
}
