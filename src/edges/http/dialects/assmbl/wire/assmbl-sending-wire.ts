/** Converts the body of a send request for the core, and the result back (docs/compatibility/assmbl.md). */
import type { IncomingHttpHeaders } from 'node:http'
import { type Static, Type } from 'typebox'
import { MailError } from '../../../../../errors.ts'
import { CORRELATION_ID, fieldOf, IDEMPOTENCY_KEY } from '../../../../../formats/agentmail-fields.ts'
import type { OutgoingMessage, Sent } from '../../../../../mail/sending/compose/outgoing.ts'
import { readObjectKey } from './assmbl-attachment-wire.ts'

const Recipients = Type.Union([Type.String(), Type.Array(Type.String())])
const Texts = { type: 'object', additionalProperties: { type: 'string' } }
const Count = Type.Optional(Type.Number({ minimum: 0 }))
const Text = Type.Optional(Type.Union([Type.String(), Type.Null()]))
const Flag = Type.Optional(Type.Union([Type.Boolean(), Type.Null()]))

/** Names of a text in other APIs, and in the messages of this one: a send with one of them would be empty. */
const misnamed = {
  text: 'write body',
  txt: 'write body',
  content: 'write body',
  message: 'write body',
  body_text: 'write body',
  text_body: 'write body',
  html: 'write body_html',
  html_body: 'write body_html',
  from: 'the sender is the agent of the token',
  send_at: 'this API has no scheduled sends',
}

const members = {
  to: Recipients,
  cc: Type.Optional(Recipients),
  bcc: Type.Optional(Recipients),
  reply_to: Type.Optional(Recipients),
  subject: Type.Optional(Type.String()),
  body: Type.Optional(Type.String({ contentMediaType: 'text/plain' })),
  body_html: Type.Optional(Type.String({ contentMediaType: 'text/html' })),
  headers: Type.Optional(Type.Unsafe<Record<string, string>>(Texts)),
  attachments: Type.Optional(
    Type.Array(
      Type.Object({
        object_key: Type.String(),
        file_name: Type.Optional(Type.String()),
        content_type: Type.Optional(Type.String()),
      }),
    ),
  ),
  correlation_id: Text,
  idempotency_key: Text,
  /** Checked, but nothing is metered. */
  usage: Type.Optional(
    Type.Object({
      outcomes_returned: Count,
      tokens_input: Count,
      tokens_output: Count,
      compute_ms: Count,
      custom_units: Type.Optional(
        Type.Unsafe<Record<string, number>>({ type: 'object', additionalProperties: { type: 'number' } }),
      ),
    }),
  ),
  marketplace_request_id: Text,
  encrypt_body: Flag,
  encrypt_attachments: Flag,
  peer_agent_id: Text,
}

export const SendBody = Type.Object(members, { misnamed })

interface SendRequest {
  readonly message: OutgoingMessage
  readonly idempotencyKey: string | undefined
  readonly correlationId: string | undefined
}

/**
 * Both ids can be members of the body, header fields of the request, or header fields of the message, in this order. The
 * message gets them as header fields, for the program of its recipient.
 *
 * @param agent the address of the inbox
 * @throws not_implemented; not_found for an attachment that the agent has not uploaded
 */
export function readSend(
  body: Static<typeof SendBody>,
  requestHeaders: IncomingHttpHeaders,
  agent: string,
): SendRequest {
  refuseUnbuilt(body)
  const fields = Object.entries(body.headers ?? {})
  const own = (member: string | null | undefined, name: string) =>
    member ?? singleText(requestHeaders[name.toLowerCase()]) ?? fieldOf(fields, name)
  const idempotencyKey = own(body.idempotency_key, IDEMPOTENCY_KEY)
  const correlationId = own(body.correlation_id, CORRELATION_ID)
  const others = fields.filter(([name]) => ![IDEMPOTENCY_KEY, CORRELATION_ID].some((each) => isSameName(each, name)))
  return {
    idempotencyKey,
    correlationId,
    message: {
      to: list(body.to),
      cc: list(body.cc),
      bcc: list(body.bcc),
      replyTo: list(body.reply_to),
      subject: body.subject,
      text: body.body,
      html: body.body_html,
      attachments: body.attachments?.map(({ object_key, file_name, content_type }) => ({
        uploadId: readObjectKey(agent, object_key),
        filename: file_name,
        contentType: content_type,
      })),
      headers: {
        ...Object.fromEntries(others),
        ...(idempotencyKey !== undefined && { [IDEMPOTENCY_KEY]: idempotencyKey }),
        ...(correlationId !== undefined && { [CORRELATION_ID]: correlationId }),
      },
    },
  }
}

export function sentMail(sent: Sent, { idempotencyKey, correlationId }: Omit<SendRequest, 'message'>) {
  return {
    status: 'accepted',
    message_id: sent.id,
    internet_message_id: sent.messageId,
    thread_id: sent.threadId,
    // The same for a repeated request.
    correlation_id: correlationId ?? sent.id,
    idempotency_key: idempotencyKey ?? null,
    reservation_key: null, // nothing is reserved: there are no paid requests
  }
}

function refuseUnbuilt(body: Static<typeof SendBody>): void {
  const isPaid = typeof body.marketplace_request_id === 'string'
  if (isPaid) throw new MailError('not_implemented', { subject: 'Paid requests', operation: 'marketplace_request_id' })
  const member = (['encrypt_body', 'encrypt_attachments', 'peer_agent_id'] as const).find((name) => body[name])
  if (member) throw new MailError('not_implemented', { subject: 'Encrypted messages (OpenPGP)', operation: member })
}

function list(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === 'string' ? [value] : value
}

function singleText(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'object' ? value.join(', ') : value
}

function isSameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
