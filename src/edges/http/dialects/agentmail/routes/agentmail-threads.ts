/** Thread routes, for the whole scope, a pod and an inbox. */
import { Type } from 'typebox'
import type { Threads } from '../../../../../mail/messages/threads/threads.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import {
  mailQuery,
  misnamedFilters,
  pageQuery,
  readMailFilter,
  readPage,
  substringList,
  substringRules,
} from '../query-parameters.ts'
import { paramsOf, type ScopeRoute, scopeRoutes, withinOf } from '../scope-routes.ts'
import { AttachmentLink, attachmentLink } from '../wire/attachment-wire.ts'
import { labelChangeRules, labelsBody, readLabelChange } from '../wire/labels-wire.ts'
import { nothing, ok } from '../wire/shape-wire.ts'
import { Thread, ThreadLabels, ThreadList, thread, threadLabels, threadList } from '../wire/thread-wire.ts'

interface ThreadNeeds extends HttpContext {
  readonly threads: Threads
}

const tags = ['Threads']
const listQuery = Type.Object(
  { ...mailQuery, senders: substringList, recipients: substringList },
  misnamedFilters('search with GET /v0/threads/search?q= or /v0/inboxes/{inbox_id}/threads/search?q='),
)

export function threadRoutes(app: HttpApp, needs: ThreadNeeds): void {
  for (const scopeRoute of Object.values(scopeRoutes)) addRoutes(app, scopeRoute, needs)
}

function addRoutes(app: HttpApp, scopeRoute: ScopeRoute, { threads, publicUrl, responses }: ThreadNeeds): void {
  const all = `${scopeRoute.path}/threads`
  const one = `${all}/:thread_id`
  const id = { thread_id: Type.String({ description: 'Id.' }) }
  const scopeParams = paramsOf(scopeRoute, {})
  const params = paramsOf<{ thread_id: string }>(scopeRoute, id)

  const list = {
    tags,
    summary: 'List threads',
    params: scopeParams,
    querystring: listQuery,
    response: ok(ThreadList),
    rules: substringRules,
  }
  app.get(all, { schema: list, config: access('message_read', scopeRoute) }, async (request, reply) => {
    const { actor, params, query } = request
    const filter = { ...readMailFilter(query), senders: query.senders, recipients: query.recipients }
    const memory = responses.memoryOf(request, reply)
    return threadList(await threads.list(actor, withinOf(params), filter, readPage(query), memory))
  })

  const get = {
    tags,
    summary: 'Get a thread with its newest messages',
    params,
    querystring: Type.Object(pageQuery),
    response: ok(Thread),
  }
  app.get(one, { schema: get, config: access('message_read', scopeRoute) }, async (request, reply) => {
    const { actor, params, query } = request
    const memory = responses.memoryOf(request, reply)
    return thread(await threads.get(actor, withinOf(params), params.thread_id, readPage(query), memory))
  })

  const update = {
    tags,
    summary: 'Add and remove labels of all messages of a thread',
    params,
    body: labelsBody('UpdateThreadRequest'),
    response: ok(ThreadLabels),
    errors: ['thread_too_large'] as const,
    rules: labelChangeRules,
  }
  app.patch(one, { schema: update, config: access('message_update', scopeRoute) }, async ({ actor, params, body }) =>
    threadLabels(await threads.changeLabels(actor, withinOf(params), params.thread_id, readLabelChange(body))),
  )

  // Until July 2026, the first call moved the thread to the trash, and `?permanent=true` deleted it at once. The
  // parameter is still accepted, without effect.
  const remove = { tags, summary: 'Delete a thread and its messages permanently', params, response: nothing }
  app.delete(
    one,
    { schema: remove, config: access('message_delete', scopeRoute) },
    async ({ actor, params }, reply) => {
      await threads.delete(actor, withinOf(params), params.thread_id)
      return reply.code(204).send(null)
    },
  )

  const getAttachment = {
    tags,
    summary: 'Get a link to an attachment',
    params: paramsOf<{ thread_id: string; attachment_id: string }>(scopeRoute, {
      ...id,
      attachment_id: Type.String({ description: 'Id in the list of attachments.' }),
    }),
    response: ok(AttachmentLink),
  }
  app.get(
    `${one}/attachments/:attachment_id`,
    { schema: getAttachment, config: access('message_read', scopeRoute) },
    async ({ actor, params }) => {
      const { thread_id, attachment_id } = params
      return attachmentLink(publicUrl(), await threads.attachment(actor, withinOf(params), thread_id, attachment_id))
    },
  )
}
