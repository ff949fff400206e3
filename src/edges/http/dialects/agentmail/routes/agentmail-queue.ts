/** Queue routes: list, hold, release, cancel and retry outgoing mail. Martlet's own addition. */
import { type TProperties, Type } from 'typebox'
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
import { domainFilter } from '../wire/request-texts.ts'
import { named, ok } from '../wire/shape-wire.ts'

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
  domain: Type.Optional(Type.String({ description: 'Domain of the recipients.', rule: domainFilter })),
  inbox_id: Type.Optional(Type.String({ description: 'Address of the sending inbox.' })),
  message_id: Type.Optional(Type.String({ description: 'Requires inbox_id.' })),
})

const messageParams = Type.Object({
  inbox_id: Type.String({ description: 'Address.' }),
  message_id: Type.String({ description: 'Message-ID, with or without angle brackets.' }),
})
const recipients = Type.Optional(Type.Array(Type.String(), { description: 'Addresses. Default: all recipients.' }))
const rules = [
  'At most … recipients can be named in one call',
  'There is no relay: MARTLET_RELAY_URL is not set',
  'Select recipients with recipient_ids, message_id with inbox_id, inbox_id, domain, or all: true',
  'message_id needs inbox_id: a Message-ID is unique in its inbox only',
  'domain is not a domain name',
]

/** A selection that is misspelt would select everything else that is named, and a cancellation is final. */
const strict = { refusesUnknown: true }

/** Only a release can set a route; the other actions refuse it. */
function withRoute<Members extends TProperties>(title: string, action: keyof typeof summaries, members: Members) {
  if (action === 'release') return named(title.replace('Queue', 'ReleaseQueue'), { ...members, route }, strict)
  return named(title, { ...members, route: Type.Optional({ ...RouteName, isRefused: true }) }, strict)
}

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
    isOurs: true,
    errors: ['not_found'] as const,
    rules: ['message_id needs inbox_id: a Message-ID is unique in its inbox only', 'domain is not a domain name'],
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

  const more = { isOurs: true, errors: ['not_found'] as const, rules }
  const body = withRoute('QueueSelection', action, SelectionBody.properties)
  const many = { tags, summary, body, response, ...more }
  app.post(`/queue/${action}`, { schema: many, config: access('message_send') }, async ({ actor, body }) =>
    queueChange(await queue.change(actor, {}, action, readSelection(body), body.route)),
  )

  const ofOne = withRoute('QueueMessageSelection', action, { recipients })
  const one = { tags, summary: `${summary} (one message)`, params: messageParams, body: ofOne, response, ...more }
  app.post(
    `/inboxes/:inbox_id/messages/:message_id/deliveries/${action}`,
    { schema: one, config: access('message_send') },
    async ({ actor, params, body }) => {
      const selection = { message: params.message_id, addresses: body.recipients }
      return queueChange(await queue.change(actor, { inbox: params.inbox_id }, action, selection, body.route))
    },
  )
}
