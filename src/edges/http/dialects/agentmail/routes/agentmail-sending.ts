/** Routes that send a message from an inbox. With an Idempotency-Key, a repeated request returns the first result. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { Sending, SendOptions } from '../../../../../mail/sending/sending.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import {
  outgoingRules,
  ReplyAllBody,
  ReplyBody,
  readMessage,
  readOlderMessage,
  readReply,
  SendBody,
  SentMessage,
  SentReply,
  sendErrors,
  sentMessage,
  sentReply,
} from '../wire/outgoing-wire.ts'
import { ok } from '../wire/shape-wire.ts'
import { bodyOf, idempotencyKeyOf, sendHeaders } from './send-headers.ts'

const tags = ['Sending']
const all = '/inboxes/:inbox_id/messages'
const inboxParams = Type.Object({ inbox_id: Type.String({ description: 'Address.' }) })
const params = Type.Object({
  inbox_id: Type.String({ description: 'Address.' }),
  message_id: Type.String({ description: 'Message-ID, with or without angle brackets.' }),
})
const response = ok(SentMessage)
const replied = ok(SentReply)

const more = { headerFields: sendHeaders, errors: sendErrors, rules: outgoingRules }

const send = { tags, summary: 'Send a message', params: inboxParams, body: SendBody, response, ...more }
const replyRules = [...outgoingRules, 'reply_all cannot be combined with to, cc or bcc']
const reply = {
  tags,
  summary: 'Reply to a message',
  params,
  body: ReplyBody,
  response: replied,
  ...more,
  rules: replyRules,
}
const replyAll = {
  tags,
  summary: 'Reply to all recipients of a message',
  params,
  body: ReplyAllBody,
  response: replied,
  ...more,
}
const forward = { tags, summary: 'Forward a message with its attachments', params, body: SendBody, response, ...more }

interface SendingNeeds extends HttpContext {
  readonly sending: Sending
  readonly limits: Limits
}

export function sendingRoutes(app: HttpApp, { sending, limits, bodies, responses }: SendingNeeds): void {
  const bodyLimit = limits.http.sendBodyBytesMax
  const config = access(['message_send', 'message_read']) // a reply or a forward discloses the original message
  // AgentMail's documentation of 2024 and 2025 sends with a POST to the list itself (docs/compatibility/agentmail.md).
  for (const [path, read] of [[`${all}/send`, readMessage] as const, [all, readOlderMessage] as const]) {
    const schema = path === all ? { ...send, isDeprecated: true } : send
    app.post(path, { schema, bodyLimit, config: access('message_send') }, async (request) => {
      const { actor, params } = request
      return sentMessage(await sending.send(actor, params.inbox_id, read(bodyOf(request)), optionsOf(request)))
    })
  }

  app.post(`${all}/:message_id/reply`, { schema: reply, bodyLimit, config }, async (request, response) => {
    const { inbox_id, message_id } = request.params
    const memory = responses.memoryOf(request, response)
    const outgoing = readReply(bodyOf(request))
    return sentReply(await sending.reply(request.actor, inbox_id, message_id, outgoing, memory, optionsOf(request)))
  })

  app.post(`${all}/:message_id/reply-all`, { schema: replyAll, bodyLimit, config }, async (request, response) => {
    const { inbox_id, message_id } = request.params
    const memory = responses.memoryOf(request, response)
    const toAll = readReply({ ...bodyOf(request), reply_all: true })
    return sentReply(await sending.reply(request.actor, inbox_id, message_id, toAll, memory, optionsOf(request)))
  })

  app.post(`${all}/:message_id/forward`, { schema: forward, bodyLimit, config }, async (request, response) => {
    const { actor, params } = request
    const { inbox_id, message_id } = params
    const memory = responses.composingMemoryOf(request, response)
    return sentMessage(
      await sending.forward(actor, inbox_id, message_id, readMessage(bodyOf(request)), memory, optionsOf(request)),
    )
  })

  function optionsOf(request: FastifyRequest): SendOptions {
    return { idempotencyKey: idempotencyKeyOf(request), requestMemory: bodies.memoryOf(request) }
  }
}
