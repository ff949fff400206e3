/** Inbox routes, for the whole scope and for one pod. */
import { Type } from 'typebox'
import type { Inboxes } from '../../../../../mail/inboxes/inboxes.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../query-parameters.ts'
import { paramsOf, type ScopeRoute, scopeRoutes, withinOf } from '../scope-routes.ts'
import { Inbox, InboxList, inbox, inboxList } from '../wire/inbox-wire.ts'
import { mapOf, nothing, ok } from '../wire/shape-wire.ts'

const tags = ['Inboxes']
const status = Type.Optional(
  Type.Enum(['active', 'paused'], { description: 'A paused inbox sends nothing, and mail for it is not accepted.' }),
)
const metadataValue = Type.Union([Type.String(), Type.Number(), Type.Boolean()])

/** Added by Martlet. @param max the largest number that clients in JavaScript and the database can express, or a century */
function limit(description: string, max: number) {
  const settable = Type.Union([Type.Integer({ minimum: 0, maximum: max }), Type.Null()])
  return Type.Optional({
    ...settable,
    description: `Added by Martlet. ${description} 0: no limit. null: the setting applies. Not with a key of the inbox.`,
  })
}

const limitMembers = {
  quota_bytes: limit('Bytes of its mail; then other servers get 452 4.2.2.', Number.MAX_SAFE_INTEGER),
  quota_messages: limit('The same for the number of messages.', Number.MAX_SAFE_INTEGER),
  retention_days: limit('Messages are deleted after so many days. A change needs message_delete.', 36_500),
}

interface LimitMembers {
  readonly quota_bytes?: number | null
  readonly quota_messages?: number | null
  readonly retention_days?: number | null
}

function readLimits({ quota_bytes, quota_messages, retention_days }: LimitMembers) {
  const limits = { quotaBytes: quota_bytes, quotaMessages: quota_messages, retentionDays: retention_days }
  return Object.values(limits).some((value) => value !== undefined) ? limits : undefined
}

const CreateInbox = Type.Object({
  username: Type.Optional(
    Type.String({
      description: 'Part before the @. Default: a random one. Names such as admin need a key of the organization.',
    }),
  ),
  domain: Type.Optional(Type.String({ description: "Default: the server's shared domain." })),
  display_name: Type.Optional(Type.String()),
  client_id: Type.Optional(
    Type.String({ description: 'Another request with the same client_id returns the existing inbox.' }),
  ),
  status,
  metadata: Type.Optional(mapOf(metadataValue)),
  ...limitMembers,
})

const UpdateInbox = Type.Object({
  display_name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  status,
  metadata: Type.Optional(
    Type.Union([mapOf(Type.Union([metadataValue, Type.Null()])), Type.Null()], {
      description:
        'Merged into the existing metadata. A null value removes a key; null instead of the object removes all.',
    }),
  ),
  ...limitMembers,
})

export function inboxRoutes(app: HttpApp, needs: { readonly inboxes: Inboxes }): void {
  for (const scopeRoute of [scopeRoutes.organization, scopeRoutes.pod]) addRoutes(app, scopeRoute, needs)
}

function addRoutes(app: HttpApp, scopeRoute: ScopeRoute, { inboxes }: { readonly inboxes: Inboxes }): void {
  const all = `${scopeRoute.path}/inboxes`
  const one = `${all}/:inbox_id`
  const scopeParams = paramsOf(scopeRoute, {})
  const params = paramsOf<{ inbox_id: string }>(scopeRoute, { inbox_id: Type.String({ description: 'Address.' }) })
  // The oldest documentation lists the inboxes of a pod with this parameter (docs/compatibility/agentmail.md).
  const querystring = Type.Object({ ...pageQuery, pod_id: Type.Optional(Type.String()) })

  const list = { tags, summary: 'List inboxes', params: scopeParams, querystring, response: ok(InboxList) }
  app.get(all, { schema: list, config: access('inbox_read', scopeRoute) }, async ({ actor, params, query }) =>
    inboxList(await inboxes.list(actor, withinOf({ ...query, ...params }), readPage(query))),
  )

  const create = { tags, summary: 'Create an inbox', params: scopeParams, body: CreateInbox, response: ok(Inbox) }
  app.post(
    all,
    { schema: create, config: access('inbox_create', { narrowestKey: 'pod' }) },
    async ({ actor, params, body }) => {
      const { username, domain, metadata, status, display_name: displayName, client_id: clientId } = body
      const request = { username, domain, metadata, status, displayName, clientId, limits: readLimits(body) }
      return inbox(await inboxes.create(actor, withinOf(params), request))
    },
  )

  const get = { tags, summary: 'Get an inbox', params, response: ok(Inbox) }
  app.get(one, { schema: get, config: access('inbox_read', scopeRoute) }, async ({ actor, params }) =>
    inbox(await inboxes.get(actor, podOf(params), params.inbox_id)),
  )

  const update = { tags, summary: 'Update an inbox', params, body: UpdateInbox, response: ok(Inbox) }
  const change = access('inbox_update', { ...scopeRoute, conditional: ['message_delete'] })
  app.patch(one, { schema: update, config: change }, async ({ actor, params, body }) => {
    const changed = {
      displayName: body.display_name,
      metadata: body.metadata,
      status: body.status,
      limits: readLimits(body),
    }
    return inbox(await inboxes.update(actor, podOf(params), params.inbox_id, changed))
  })

  const remove = { tags, summary: 'Delete an inbox with its messages', params, response: nothing }
  app.delete(one, { schema: remove, config: access('inbox_delete', scopeRoute) }, async ({ actor, params }, reply) => {
    await inboxes.delete(actor, podOf(params), params.inbox_id)
    return reply.code(204).send(null)
  })
}

/** Returns the scope above the inbox, because here `inbox_id` is the inbox itself. */
function podOf({ pod_id }: { readonly pod_id?: string }) {
  return withinOf(pod_id === undefined ? {} : { pod_id })
}
