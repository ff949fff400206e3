/** Converts the body of a send, reply or forward request for the core (docs/compatibility/agentmail.md). */
import { type Static, Type } from 'typebox'
import { MailError } from '../../../../../errors.ts'
import type { OutgoingMessage, OutgoingReply, Sent } from '../../../../../mail/sending/compose/outgoing.ts'
import { readAttachment, SendAttachment } from './outgoing-attachment-wire.ts'
import { mapOf, type Wire } from './shape-wire.ts'

/** One or several addresses, each "address" or "Name <address>". */
export const RecipientList = Type.Union([Type.String(), Type.Array(Type.String())])
const Recipients = Type.Optional(RecipientList)

const shared = {
  labels: Type.Optional(Type.Array(Type.String())),
  reply_to: Recipients,
  to: Recipients,
  cc: Recipients,
  bcc: Recipients,
  text: Type.Optional(Type.String({ contentMediaType: 'text/plain' })),
  html: Type.Optional(Type.String({ contentMediaType: 'text/html' })),
  attachments: Type.Optional(Type.Array(SendAttachment)),
  headers: Type.Optional(mapOf(Type.String())),
  hold: Type.Optional(
    Type.Boolean({
      description:
        "Martlet's own: the message is held in the queue, and is sent when it is released. The default is false.",
    }),
  ),
  track_opens: Type.Optional(Type.Boolean({ description: 'Must be false in this version.' })),
}

export const SendBody = Type.Object({ ...shared, subject: Type.Optional(Type.String()) })
export const ReplyBody = Type.Object({
  ...shared,
  reply_all: Type.Optional(Type.Boolean()),
  quote_original: Type.Optional(
    Type.Boolean({ description: "Martlet's own: append the original message, quoted. The default is false." }),
  ),
})

export const SentMessage = Type.Object({ message_id: Type.String(), thread_id: Type.String() })

export const SentReply = Type.Object({
  ...SentMessage.properties,
  dropped_recipients: Type.Optional(
    Type.Array(Type.Object({ address: Type.String(), reason: Type.String() }), {
      description: "Martlet's own: addresses in the original message that cannot receive mail and were left out.",
    }),
  ),
})

export function sentMessage(sent: Sent): Wire<typeof SentMessage> {
  return { message_id: sent.messageId, thread_id: sent.threadId }
}

export function sentReply(sent: Sent): Wire<typeof SentReply> {
  return {
    ...sentMessage(sent),
    ...(sent.dropped && { dropped_recipients: sent.dropped.map((each) => ({ ...each })) }),
  }
}

/** @throws validation_error, not_implemented */
export function readMessage(body: Static<typeof SendBody>): OutgoingMessage {
  return { ...readShared(body), subject: body.subject }
}

/** Older clients label a message as sent, which it is anyway. @throws validation_error, not_implemented */
export function readOlderMessage({ labels, ...body }: Static<typeof SendBody>): OutgoingMessage {
  const own = labels?.filter((label) => label.trim().toLowerCase() !== 'sent')
  return readMessage({ ...body, ...(own && { labels: own }) })
}

/** @throws validation_error, not_implemented */
export function readReply(body: Static<typeof ReplyBody>): OutgoingReply {
  return { ...readShared(body), toAll: body.reply_all, quoteOriginal: body.quote_original }
}

function readShared(body: Static<typeof ReplyBody>) {
  if (body.track_opens) {
    throw new MailError('not_implemented', { subject: 'Tracking pixels', operation: 'track_opens: true' })
  }
  return {
    to: readRecipients(body.to),
    cc: readRecipients(body.cc),
    bcc: readRecipients(body.bcc),
    replyTo: readRecipients(body.reply_to),
    text: body.text,
    html: body.html,
    attachments: body.attachments?.map((each, index) => readAttachment(each, index)),
    headers: body.headers,
    labels: body.labels,
    isHeld: body.hold,
  }
}

/** Forms send an empty string for a field that nobody filled in: it names nobody. */
export function readRecipients(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === 'string' && value.trim() === '' ? [] : readList(value)
}

/** Reads a string or an array of strings: clients send recipients and labels in both forms. */
export function readList(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === 'string' ? [value] : value
}
