/**
 * Message routes: lists and sending below an inbox, single messages and their labels without it. Lists contain mail that
 * could not be authenticated; spam, blocked mail and trash stay out.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { Log } from '../../../../../log.ts'
import type { Labels } from '../../../../../mail/messages/labels/labels.ts'
import type { Messages } from '../../../../../mail/messages/messages.ts'
import type { OutgoingMessage, Sent } from '../../../../../mail/sending/compose/outgoing.ts'
import type { InboxOfSend } from '../../../../../mail/sending/idempotency/repeated-send.ts'
import type { Sending } from '../../../../../mail/sending/sending.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { readTime } from '../../../server/requests/read-time.ts'
import { access } from '../../../server/route-access.ts'
import { readId, readInboxId, shownId } from '../prefixed-ids.ts'
import {
  message,
  messageItem,
  ReplyBody,
  readMail,
  readReply,
  SendBody,
  sentMessage,
} from '../wire/agentpost-message-wire.ts'
import { listOf, pageQuery, readPage, readTexts, TextOrList } from '../wire/agentpost-shape-wire.ts'

interface MessageNeeds extends HttpContext {
  readonly messages: Messages
  readonly labels: Labels
  readonly sending: Sending
  readonly inboxOfSend: InboxOfSend
  readonly limits: Limits
  readonly log: Log
}

export const listQuery = Type.Object(
  {
    ...pageQuery,
    labels: Type.Optional(TextOrList),
    before: Type.Optional(Type.String()),
    after: Type.Optional(Type.String()),
  },
  { misnamed: { label: 'write labels', q: 'this API has no search' } },
)
export const LabelsBody = Type.Object({ labels: Type.Array(Type.String()) })

const all = '/inboxes/:inbox_id/messages'
const one = '/messages/:message_id'
const inboxParams = Type.Object({ inbox_id: Type.String() })
const params = Type.Object({ message_id: Type.String() })

export function messageRoutes(app: HttpApp, needs: MessageNeeds): void {
  const { messages, labels, sending, limits, responses, bodies } = needs
  const bodyLimit = limits.http.sendBodyBytesMax
  /** The response has the whole message if the key may read it. */
  const sends = access('message_send', { conditional: ['message_read'] })
  const answers = access(['message_send', 'message_read'])

  app.get(
    all,
    { schema: { params: inboxParams, querystring: listQuery }, config: access('message_read') },
    async (request, reply) => {
      const { actor, params, query } = request
      const memory = responses.memoryOf(request, reply)
      return listOf(
        await messages.list(actor, readInboxId(params.inbox_id), readListFilter(query), readPage(query), memory),
        messageItem,
      )
    },
  )

  app.post(
    all,
    { schema: { params: inboxParams, body: SendBody }, bodyLimit, config: sends },
    async (request, reply) => {
      const mail = readMail(request.body)
      const inbox = readInboxId(request.params.inbox_id)
      return answer(request, reply, { mail, sent: await sending.send(request.actor, inbox, mail, optionsOf(request)) })
    },
  )

  app.get(one, { schema: { params }, config: access('message_read') }, async (request, reply) => {
    const id = readId('msg', request.params.message_id)
    const inbox = await messages.inboxOf(request.actor, id)
    return message(await messages.get(request.actor, inbox, id, responses.memoryOf(request, reply)))
  })

  app.delete(one, { schema: { params }, config: access('message_delete') }, async ({ actor, params }, reply) => {
    const id = readId('msg', params.message_id)
    await messages.delete(actor, await messages.inboxOf(actor, id), id)
    return reply.code(204).send(null)
  })

  for (const method of ['POST', 'DELETE'] as const) {
    app.route({
      method,
      url: `${one}/labels`,
      schema: { params, body: LabelsBody },
      config: access('message_update'),
      handler: async ({ actor, params, body }) => {
        const id = readId('msg', params.message_id)
        const change = method === 'POST' ? { add: body.labels } : { remove: body.labels }
        const [changed] = await labels.change(actor, await messages.inboxOf(actor, id), [id], change)
        return { id: shownId('msg', id), labels: changed!.labels } // one message in, one out
      },
    })
  }

  app.post(
    `${one}/reply`,
    { schema: { params, body: ReplyBody }, bodyLimit, config: answers },
    async (request, reply) => {
      const mail = readReply(request.body)
      const id = readId('msg', request.params.message_id)
      const inbox = await inboxOfParent(request, id)
      const memory = responses.memoryOf(request, reply)
      return answer(request, reply, {
        mail,
        sent: await sending.reply(request.actor, inbox, id, mail, memory, optionsOf(request)),
      })
    },
  )

  app.post(
    `${one}/forward`,
    { schema: { params, body: SendBody }, bodyLimit, config: answers },
    async (request, reply) => {
      const mail = readMail(request.body)
      const id = readId('msg', request.params.message_id)
      const inbox = await inboxOfParent(request, id)
      const memory = responses.composingMemoryOf(request, reply)
      return answer(request, reply, {
        mail,
        sent: await sending.forward(request.actor, inbox, id, mail, memory, optionsOf(request)),
      })
    },
  )

  function inboxOfParent(request: FastifyRequest, id: string): Promise<string> {
    const { actor } = request
    return needs.inboxOfSend(actor, idempotencyKeyOf(request), () => messages.inboxOf(actor, id))
  }

  function optionsOf(request: FastifyRequest) {
    return { idempotencyKey: idempotencyKeyOf(request), requestMemory: bodies.memoryOf(request) }
  }

  function answer(request: FastifyRequest, reply: FastifyReply, about: SentMail) {
    return answerSent(request, reply, about, needs)
  }
}

interface SentMail {
  readonly sent: Sent
  readonly mail: Partial<OutgoingMessage>
}

/**
 * Responds with the message that was sent. If it cannot be read, because of the key or of the database, the response has what
 * is known without reading it: an error would make the client send it again.
 */
export async function answerSent(
  request: FastifyRequest,
  reply: FastifyReply,
  { sent, mail }: SentMail,
  { messages, responses, log }: Pick<MessageNeeds, 'messages' | 'responses' | 'log'>,
) {
  reply.code(201)
  try {
    return message(await messages.get(request.actor, sent.inboxId, sent.id, responses.memoryOf(request, reply)))
  } catch (error) {
    log.debug({ requestId: request.id, err: error }, 'a sent message could not be read for the response')
    return sentMessage(sent, mail)
  }
}

/** Passes the header on unchanged; the core checks whether it is well-formed. */
export function idempotencyKeyOf({ headers }: Pick<FastifyRequest, 'headers'>): string | undefined {
  const key = headers['idempotency-key']
  return Array.isArray(key) ? key.join(', ') : key
}

interface ListQuery {
  readonly labels?: string | readonly string[]
  readonly before?: string
  readonly after?: string
}

export function readListFilter({ labels, before, after }: ListQuery) {
  return {
    labels: readTexts(labels),
    before: readTime('before', before),
    after: readTime('after', after),
    include: ['unauthenticated'] as const,
  }
}
