/** Thread routes, for all inboxes of the key and for one. */
import { type TSchema, Type } from 'typebox'
import type { Threads } from '../../../../../mail/messages/threads/threads.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { mailQuery, misnamedFilters, pageQuery, readPage, substringList } from '../../agentmail/query-parameters.ts'
import { LabelsBody, readLabelChange } from '../../agentmail/wire/labels-wire.ts'
import { readThreadId, shownThreadId } from '../inboxai-ids.ts'
import { thread, threadList } from '../wire/inboxai-message-wire.ts'
import { readFilter } from './inboxai-messages.ts'

interface ThreadNeeds extends HttpContext {
  readonly threads: Threads
}

const listQuery = Type.Object(
  { ...mailQuery, senders: substringList, recipients: substringList },
  misnamedFilters('this API has no search. Filter with subject, senders or recipients'),
)

export function threadRoutes(app: HttpApp, needs: ThreadNeeds): void {
  addRoutes(app, '', {}, needs)
  addRoutes(app, '/inboxes/:inbox_id', { inbox_id: Type.String() }, needs)
}

interface InboxParams {
  readonly inbox_id?: string
}

function addRoutes(app: HttpApp, scope: string, scopeParams: Record<string, TSchema>, needs: ThreadNeeds): void {
  const { threads, responses } = needs
  const all = `${scope}/threads`
  const one = `${all}/:thread_id`
  const inboxParams = Type.Unsafe<InboxParams>(Type.Object(scopeParams))
  const params = Type.Unsafe<InboxParams & { readonly thread_id: string }>(
    Type.Object({ ...scopeParams, thread_id: Type.String() }),
  )
  const withinOf = ({ inbox_id }: InboxParams) => (inbox_id === undefined ? {} : { inbox: inbox_id })

  const list = { schema: { params: inboxParams, querystring: listQuery }, config: access('message_read') }
  app.get(all, list, async (request, reply) => {
    const { actor, params, query } = request
    const filter = { ...readFilter(query), senders: query.senders, recipients: query.recipients }
    const memory = responses.memoryOf(request, reply)
    return threadList(await threads.list(actor, withinOf(params), filter, readPage(query), memory))
  })

  const get = { schema: { params, querystring: Type.Object(pageQuery) }, config: access('message_read') }
  app.get(one, get, async (request, reply) => {
    const { actor, params, query } = request
    const memory = responses.memoryOf(request, reply)
    return thread(await threads.get(actor, withinOf(params), readThreadId(params.thread_id), readPage(query), memory))
  })

  app.patch(one, { schema: { params, body: LabelsBody }, config: access('message_update') }, async (request) => {
    const { actor, params, body } = request
    const id = readThreadId(params.thread_id)
    const changed = await threads.changeLabels(actor, withinOf(params), id, readLabelChange(body))
    return { thread_id: shownThreadId(changed.threadId), labels: changed.labels }
  })

  app.delete(one, { schema: { params }, config: access('message_delete') }, async ({ actor, params }, reply) => {
    await threads.delete(actor, withinOf(params), readThreadId(params.thread_id))
    return reply.code(204).send(null)
  })
}
