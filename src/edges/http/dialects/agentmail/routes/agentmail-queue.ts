/** Queue routes: list, hold, release, cancel and retry outgoing mail. Martlet's own addition. */
import { Type } from 'typebox'
import type { Queue } from '../../../../../mail/sending/queue/queue.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../query-parameters.ts'
import { paramsOf, type ScopeRoute, scopeRoutes, withinOf } from '../scope-routes.ts'
import {
  QueueChange,
  queueChange,
  RouteName,
  readSelection,
  SelectionBody,
  WaitingList,
  WaitingStateName,
  waitingList,
} from '../wire/queue-wire.ts'
import { ok } from '../wire/shape-wire.ts'

const tags = ['Queue']
const summaries = {
  hold: 'Hold recipients: no delivery until they are released',
  release: 'Release held recipients for delivery',
  cancel: 'Remove recipients from the queue permanently',
  retry: 'Retry delivery to recipients now',
} as const
const actions = Object.keys(summaries) as (keyof typeof summaries)[]
const response = ok(QueueChange)
const route = Type.Optional(RouteName)

const listQuery = Type.Object({
  ...pageQuery,
  state: Type.Optional(WaitingStateName),
  domain: Type.Optional(Type.String({ description: 'Domain of the recipients.' })),
  inbox_id: Type.Optional(Type.String({ description: 'Address of the sending inbox.' })),
  message_id: Type.Optional(Type.String({ description: 'Requires inbox_id.' })),
})

const messageParams = Type.Object({ inbox_id: Type.String({ description: 'Address.' }), message_id: Type.String() })
const MessageSelection = Type.Object({
  recipients: Type.Optional(Type.Array(Type.String(), { description: 'Addresses. Default: all recipients.' })),
  route,
})

export function queueRoutes(app: HttpApp, needs: { readonly queue: Queue }): void {
  for (const scopeRoute of Object.values(scopeRoutes)) addList(app, scopeRoute, needs)
  for (const action of actions) addAction(app, action, needs)
}

function addList(app: HttpApp, scopeRoute: ScopeRoute, { queue }: { readonly queue: Queue }): void {
  const params = paramsOf(scopeRoute, {})
  const list = {
    tags,
    summary: 'List recipients that wait for delivery',
    params,
    querystring: listQuery,
    response: ok(WaitingList),
  }
  app.get(
    `${scopeRoute.path}/queue`,
    { schema: list, config: access('message_read', scopeRoute) },
    async ({ actor, params, query }) => {
      const filter = { state: query.state, domain: query.domain, inbox: query.inbox_id, message: query.message_id }
      return waitingList(await queue.list(actor, withinOf(params), filter, readPage(query)))
    },
  )
}

function addAction(app: HttpApp, action: keyof typeof summaries, { queue }: { readonly queue: Queue }): void {
  const summary = summaries[action]

  const many = { tags, summary, body: Type.Object({ ...SelectionBody.properties, route }), response }
  app.post(`/queue/${action}`, { schema: many, config: access('message_send') }, async ({ actor, body }) =>
    queueChange(await queue.change(actor, {}, action, readSelection(body), body.route)),
  )

  const one = { tags, summary: `${summary} (one message)`, params: messageParams, body: MessageSelection, response }
  app.post(
    `/inboxes/:inbox_id/messages/:message_id/deliveries/${action}`,
    { schema: one, config: access('message_send') },
    async ({ actor, params, body }) => {
      const selection = { message: params.message_id, addresses: body.recipients }
      return queueChange(await queue.change(actor, { inbox: params.inbox_id }, action, selection, body.route))
    },
  )
}
