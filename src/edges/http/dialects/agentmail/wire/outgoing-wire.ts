/** Converts the body of a send, reply or forward request for the core (docs/compatibility/agentmail.md). */
import { type Static, Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import { MailError } from '../../../../../errors.ts'
import type { OutgoingMessage, OutgoingReply, Sent } from '../../../../../mail/sending/compose/outgoing.ts'
import { readAttachment, SendAttachment } from './outgoing-attachment-wire.ts'
import { label, labelRules } from './request-texts.ts'
import { mapOf, named, nullable, type Wire } from './shape-wire.ts'

/** Also in drafts. */
export const TrackOpens = Type.Boolean({ description: 'Must be false in this version.', rule: { const: false } })

/** One or several addresses, each "address" or "Name <address>". */
const Recipient = Type.String({
  description: '`address` or `Name <address>`.',
  rule: { pattern: '^[^@\\r\\n]*[^@\\s<>]@[^@\\s<>]+>?$' },
  expected: '"address" or "Name <address>"',
})
export const RecipientList = Type.Union([Type.String(), Type.Array(Recipient)], {
  description: 'One or several.',
  expected: '"address" or "Name <address>", or an array of them',
})
const Recipients = nullable(RecipientList)

const labelCount = ({ messages }: Limits) => ({ maxItems: messages.labelsPerMessageMax })
/** RFC 5322 §2.2: printable ASCII without colon. */
const extraHeaders = ({ sending }: Limits) => ({
  maxProperties: sending.headersMax,
  propertyNames: { pattern: '^[!-9;-~]{1,76}$' },
})

const shared = {
  labels: nullable(Type.Array(Type.String({ rule: label }), { rule: labelCount })),
  reply_to: Recipients,
  to: Recipients,
  cc: Recipients,
  bcc: Recipients,
  text: nullable(Type.String({ contentMediaType: 'text/plain' })),
  html: nullable(Type.String({ contentMediaType: 'text/html' })),
  attachments: nullable(Type.Array(SendAttachment)),
  headers: nullable(mapOf(Type.String({ rule: { pattern: '^[^\\r\\n]*$' } }), { rule: extraHeaders })),
  hold: Type.Optional(
    Type.Boolean({
      isOurs: true,
      description: 'The message is held in the queue, and is sent when it is released. The default is false.',
    }),
  ),
  track_opens: nullable(TrackOpens),
}

const TEXT = 'write text or html'

/** Also in drafts. */
export const misnamed = {
  body: TEXT,
  content: TEXT,
  message: TEXT,
  txt: TEXT,
  from: 'the sender is the inbox in the path',
}
const misnamedInReplies = {
  ...misnamed,
  send_at: 'a send leaves at once. Create a draft with send_at: POST /v0/inboxes/{inbox_id}/drafts',
}

const ANSWER =
  'the path decides the thread. Answer a message with POST /v0/inboxes/{inbox_id}/messages/{message_id}/reply'
const misnamedInSends = { ...misnamedInReplies, in_reply_to: ANSWER, thread_id: ANSWER }

export const SendBody = named(
  'SendMessageRequest',
  { ...shared, subject: nullable(Type.String()) },
  { misnamed: misnamedInSends },
)
export const ReplyBody = named(
  'ReplyToMessageRequest',
  {
    ...shared,
    reply_all: nullable(Type.Boolean()),
    quote_original: Type.Optional(
      Type.Boolean({ isOurs: true, description: 'Append the original message, quoted. The default is false.' }),
    ),
  },
  { misnamed: misnamedInReplies },
)

/** `to`, `cc` and `bcc` follow from the message. */
const { to, cc, bcc, ...others } = ReplyBody.properties
const refused = { isRefused: true }
export const ReplyAllBody = named(
  'ReplyAllMessageRequest',
  {
    ...others,
    to: Type.Optional({ ...to, ...refused }),
    cc: Type.Optional({ ...cc, ...refused }),
    bcc: Type.Optional({ ...bcc, ...refused }),
    reply_all: Type.Optional({ ...others.reply_all, ...refused }),
  },
  { misnamed: misnamedInReplies },
)

export const SentMessage = named('SendMessageResponse', { message_id: Type.String(), thread_id: Type.String() })

export const SentReply = named('ReplyToMessageResponse', {
  ...SentMessage.properties,
  dropped_recipients: Type.Optional(
    Type.Array(Type.Object({ address: Type.String(), reason: Type.String() }), {
      isOurs: true,
      description: 'Addresses in the original message that cannot receive mail and were left out.',
    }),
  ),
})

/** Beyond the schemas. */
export const outgoingRules = [
  ...labelRules,
  '… is not an address like ann@example.com or Ann <ann@example.com>',
  '… has < or > in the local part of its address; …',
  'Subject, addresses and headers of a message can have at most … characters together',
  'The header … is set by the server and cannot be given',
  '… can have at most … characters; attach what is longer',
  'An attachment has either content or url, not both',
  'An attachment must have content in base64, or a url',
  'The content of an attachment is not valid base64',
  'This is not a data: URL with valid data',
  'The url of an attachment must be an http or https URL of at most … characters, or a data: URL',
]

/** What a send can answer beside what every operation can. */
export const sendErrors = [
  'too_many_recipients',
  'no_recipients',
  'message_rejected',
  'automatic_loop',
  'inbox_paused',
  'not_implemented',
  'domain_not_verified',
  'idempotency_conflict',
  'idempotency_running',
  'message_too_large',
  'too_many_at_once',
  'parse_queue_full',
] as const

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
  return { ...readShared(body), subject: body.subject ?? undefined }
}

/** Older clients label a message as sent, which it is anyway. @throws validation_error, not_implemented */
export function readOlderMessage({ labels, ...body }: Static<typeof SendBody>): OutgoingMessage {
  const own = labels?.filter((label) => label.trim().toLowerCase() !== 'sent')
  return readMessage({ ...body, ...(own && { labels: own }) })
}

/** @throws validation_error, not_implemented */
export function readReply(body: Static<typeof ReplyBody>): OutgoingReply {
  return { ...readShared(body), toAll: body.reply_all ?? undefined, quoteOriginal: body.quote_original }
}

/** @throws not_implemented: nobody should believe that opens are recorded */
export function refuseTracking({ track_opens }: { readonly track_opens?: boolean | null }): void {
  if (!track_opens) return
  throw new MailError('not_implemented', { subject: 'Tracking pixels', operation: 'track_opens: true' })
}

function readShared(body: Static<typeof ReplyBody>) {
  return { ...readContents(body), headers: body.headers ?? undefined, isHeld: body.hold }
}

type Contents = Pick<
  Static<typeof ReplyBody>,
  'to' | 'cc' | 'bcc' | 'reply_to' | 'text' | 'html' | 'attachments' | 'labels' | 'track_opens'
>

/** Reads what sends, replies and new drafts have in common. @throws validation_error, not_implemented */
export function readContents(body: Contents) {
  refuseTracking(body)
  return {
    to: readRecipients(body.to ?? undefined),
    cc: readRecipients(body.cc ?? undefined),
    bcc: readRecipients(body.bcc ?? undefined),
    replyTo: readRecipients(body.reply_to ?? undefined),
    text: body.text ?? undefined,
    html: body.html ?? undefined,
    attachments: body.attachments?.map((each, index) => readAttachment(each, index)),
    labels: body.labels ?? undefined,
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
