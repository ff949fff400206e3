/** Routes that send a message from an inbox. With an Idempotency-Key, a repeated request returns the first result. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { Sending, SendOptions } from '../../../../../mail/sending/sending.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { bodyOf, idempotencyKeyOf } from '../../agentmail/routes/send-headers.ts'
import { ReplyBody, readMessage, readOlderMessage, readReply, SendBody } from '../../agentmail/wire/outgoing-wire.ts'
import { readMessageId } from '../inboxai-ids.ts'
import { sentMessage } from '../wire/inboxai-message-wire.ts'

interface SendingNeeds extends HttpContext {
  readonly sending: Sending
  readonly limits: Limits
}

const all = '/inboxes/:inbox_id/messages'
const inboxParams = Type.Object({ inbox_id: Type.String() })
const params = Type.Object({ inbox_id: Type.String(), message_id: Type.String() })

export function sendingRoutes(app: HttpApp, { sending, limits, bodies, responses }: SendingNeeds): void {
  const bodyLimit = limits.http.sendBodyBytesMax
  const config = access(['message_send', 'message_read']) // a reply or a forward discloses the original message

  // As AgentMail's clients of 2024, some may post to the list itself.
  for (const [path, read] of [[`${all}/send`, readMessage] as const, [all, readOlderMessage] as const]) {
    const send = { schema: { params: inboxParams, body: SendBody }, bodyLimit, config: access('message_send') }
    app.post(path, send, async (request) => {
      const { actor, params } = request
      return sentMessage(await sending.send(actor, params.inbox_id, read(bodyOf(request)), optionsOf(request)))
    })
  }

  for (const [path, toAll] of [
    [`${all}/:message_id/reply`, {}],
    [`${all}/:message_id/reply-all`, { reply_all: true }],
  ] as const) {
    app.post(path, { schema: { params, body: ReplyBody }, bodyLimit, config }, async (request, reply) => {
      const { actor, params } = request
      const outgoing = readReply({ ...bodyOf(request), ...toAll })
      const memory = responses.memoryOf(request, reply)
      const id = readMessageId(params.message_id)
      return sentMessage(await sending.reply(actor, params.inbox_id, id, outgoing, memory, optionsOf(request)))
    })
  }

  const forward = { schema: { params, body: SendBody }, bodyLimit, config }
  app.post(`${all}/:message_id/forward`, forward, async (request, reply) => {
    const { actor, params } = request
    const outgoing = readMessage(bodyOf(request))
    const memory = responses.composingMemoryOf(request, reply)
    const id = readMessageId(params.message_id)
    return sentMessage(await sending.forward(actor, params.inbox_id, id, outgoing, memory, optionsOf(request)))
  })

  function optionsOf(request: FastifyRequest): SendOptions {
    return { idempotencyKey: idempotencyKeyOf(request), requestMemory: bodies.memoryOf(request) }
  }
}
