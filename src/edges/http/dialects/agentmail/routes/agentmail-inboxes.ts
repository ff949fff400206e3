/** Inbox routes, for the whole scope and for one pod. */
import { Type } from 'typebox'
import type { Inboxes } from '../../../../../mail/inboxes/inboxes.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../query-parameters.ts'
import { paramsOf, refuseNarrowerScope, type ScopeRoute, scopeRoutes, withinOf } from '../scope-routes.ts'
import {
  CreateInbox,
  Inbox,
  InboxList,
  inbox,
  inboxList,
  readInboxChange,
  readNewInbox,
  UpdateInbox,
} from '../wire/inbox-wire.ts'
import { usernameRules } from '../wire/request-texts.ts'
import { nothing, ok } from '../wire/shape-wire.ts'

/** For challenge_senders, while the operator allows none. */
const NO_CHALLENGES = 'This server sends no challenges…'

const tags = ['Inboxes']

export function inboxRoutes(app: HttpApp, needs: { readonly inboxes: Inboxes }): void {
  for (const scopeRoute of [scopeRoutes.organization, scopeRoutes.pod]) addRoutes(app, scopeRoute, needs)
}

function addRoutes(app: HttpApp, scopeRoute: ScopeRoute, { inboxes }: { readonly inboxes: Inboxes }): void {
  const all = `${scopeRoute.path}/inboxes`
  const one = `${all}/:inbox_id`
  const scopeParams = paramsOf(scopeRoute, {})
  const params = paramsOf<{ inbox_id: string }>(scopeRoute, { inbox_id: Type.String({ description: 'Address.' }) })
  // The oldest documentation lists the inboxes of a pod with this parameter (docs/compatibility/agentmail.md).
  const querystring = Type.Object({
    ...pageQuery,
    pod_id: Type.Optional(Type.String({ description: 'Only those of this pod.' })),
  })

  const errors = ['not_found'] as const // the pod of the query
  const list = { tags, summary: 'List inboxes', params: scopeParams, querystring, response: ok(InboxList), errors }
  app.get(all, { schema: list, config: access('inbox_read', scopeRoute) }, async ({ actor, params, query }) =>
    inboxList(await inboxes.list(actor, withinOf({ ...query, ...params }), readPage(query))),
  )

  const create = {
    tags,
    summary: 'Create an inbox',
    params: scopeParams,
    body: refuseNarrowerScope(CreateInbox, scopeRoute, '/inboxes', [scopeRoutes.pod]),
    response: ok(Inbox),
    errors: [
      'resource_taken',
      'domain_not_available',
      'domain_not_verified',
      'resource_deleting',
      'limit_exceeded',
      'organization_unverified',
      'not_found',
      'forbidden',
    ] as const,
    rules: [...usernameRules, NO_CHALLENGES],
  }
  app.post(
    all,
    {
      schema: create,
      config: access('inbox_create', { narrowestKey: 'pod', conditional: ['inbox_read', 'message_delete'] }),
    },
    async ({ actor, params, body }) => inbox(await inboxes.create(actor, withinOf(params), readNewInbox(body))),
  )

  const get = { tags, summary: 'Get an inbox', params, response: ok(Inbox) }
  app.get(one, { schema: get, config: access('inbox_read', scopeRoute) }, async ({ actor, params }) =>
    inbox(await inboxes.get(actor, podOf(params), params.inbox_id)),
  )

  const update = {
    tags,
    summary: 'Update an inbox',
    params,
    body: UpdateInbox,
    response: ok(Inbox),
    errors: ['forbidden'] as const,
    rules: [
      'Send display_name, status, metadata, quota_bytes, quota_messages, retention_days or challenge_senders',
      'metadata can have at most … keys',
      NO_CHALLENGES,
    ],
  }
  const change = access('inbox_update', { ...scopeRoute, conditional: ['message_delete'] })
  app.patch(one, { schema: update, config: change }, async ({ actor, params, body }) =>
    inbox(await inboxes.update(actor, podOf(params), params.inbox_id, readInboxChange(body))),
  )

  const remove = {
    tags,
    summary: 'Delete an inbox with its messages',
    params,
    response: nothing,
    errors: ['cannot_delete'] as const,
  }
  app.delete(one, { schema: remove, config: access('inbox_delete', scopeRoute) }, async ({ actor, params }, reply) => {
    await inboxes.delete(actor, podOf(params), params.inbox_id)
    return reply.code(204).send(null)
  })
}

/** Returns the scope above the inbox, because here `inbox_id` is the inbox itself. */
function podOf({ pod_id }: { readonly pod_id?: string }) {
  return withinOf(pod_id === undefined ? {} : { pod_id })
}
