/** Thread routes. Threads are made of header fields alone; those that have only sent messages are listed too. */
import { Type } from 'typebox'
import type { Threads } from '../../../../../mail/messages/threads/threads.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { readId, readInboxId, shownId } from '../prefixed-ids.ts'
import { message } from '../wire/agentpost-message-wire.ts'
import { listOf, pageQuery, readPage } from '../wire/agentpost-shape-wire.ts'
import { threadItem } from '../wire/agentpost-thread-wire.ts'
import { LabelsBody, listQuery, readListFilter } from './agentpost-messages.ts'

interface ThreadNeeds extends HttpContext {
  readonly threads: Threads
}

const one = '/threads/:thread_id'
const params = Type.Object({ thread_id: Type.String() })
const inboxParams = Type.Object({ inbox_id: Type.String() })

export function threadRoutes(app: HttpApp, { threads, responses }: ThreadNeeds): void {
  const list = { schema: { params: inboxParams, querystring: listQuery }, config: access('message_read') }
  app.get('/inboxes/:inbox_id/threads', list, async (request, reply) => {
    const { actor, params, query } = request
    const memory = responses.memoryOf(request, reply)
    const within = { inbox: readInboxId(params.inbox_id) }
    return listOf(await threads.list(actor, within, readListFilter(query), readPage(query), memory), threadItem)
  })

  const get = { schema: { params, querystring: Type.Object(pageQuery) }, config: access('message_read') }
  app.get(one, get, async (request, reply) => {
    const { actor, params, query } = request
    const memory = responses.memoryOf(request, reply)
    const id = readId('thr', params.thread_id)
    const { thread, messages } = await threads.get(actor, {}, id, readPage(query), memory)
    const { data, next_cursor } = listOf(messages, message)
    return { ...threadItem(thread), messages: data, ...(next_cursor !== undefined && { next_cursor }) }
  })

  app.delete(one, { schema: { params }, config: access('message_delete') }, async ({ actor, params }, reply) => {
    await threads.delete(actor, {}, readId('thr', params.thread_id))
    return reply.code(204).send(null)
  })

  for (const method of ['POST', 'DELETE'] as const) {
    app.route({
      method,
      url: `${one}/labels`,
      schema: { params, body: LabelsBody },
      config: access('message_update'),
      handler: async ({ actor, params, body }) => {
        const change = method === 'POST' ? { add: body.labels } : { remove: body.labels }
        const changed = await threads.changeLabels(actor, {}, readId('thr', params.thread_id), change)
        return { id: shownId('thr', changed.threadId), labels: changed.labels }
      },
    })
  }
}
