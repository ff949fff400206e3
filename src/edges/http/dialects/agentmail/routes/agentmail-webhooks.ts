/** Webhook routes, for the organization, a pod and an inbox. */
import { type Static, type TObject, type TProperties, type TSchema, Type } from 'typebox'
import { MailError } from '../../../../../errors.ts'
import type { Webhooks } from '../../../../../mail/webhooks/config/webhooks.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../query-parameters.ts'
import { paramsOf, type ScopeRoute, scopeRoutes, withinOf } from '../scope-routes.ts'
import { named, nothing, ok } from '../wire/shape-wire.ts'
import {
  CreateWebhook,
  HeaderNames,
  misnamed,
  ReplaceWebhook,
  RotateSecret,
  readNewWebhook,
  readReplacement,
  readWebhookChange,
  readWebhookId,
  UpdateHeaders,
  UpdateWebhook,
  Webhook,
  WebhookList,
  webhook,
  webhookList,
} from '../wire/webhook-wire.ts'

const tags = ['Webhooks']

export function webhookRoutes(app: HttpApp, needs: { readonly webhooks: Webhooks }): void {
  for (const scopeRoute of Object.values(scopeRoutes)) addRoutes(app, scopeRoute, needs)
}

function addRoutes(app: HttpApp, scopeRoute: ScopeRoute, { webhooks }: { readonly webhooks: Webhooks }): void {
  const all = `${scopeRoute.path}/webhooks`
  const one = `${all}/:webhook_id`
  const scopeParams = paramsOf(scopeRoute, {})
  const params = paramsOf<{ webhook_id: string }>(scopeRoute, {
    webhook_id: Type.String({ description: 'Id or client_id.' }),
  })

  const list = {
    tags,
    summary: 'List webhooks',
    params: scopeParams,
    querystring: Type.Object(pageQuery),
    response: ok(WebhookList),
  }
  app.get(all, { schema: list, config: access('webhook_read', scopeRoute) }, async ({ actor, params, query }) =>
    webhookList(await webhooks.list(actor, withinOf(params), readPage(query))),
  )

  const rules = [
    'url must be an http or https URL of at most … characters',
    'url is in a private network, to which this server does not connect',
    'url must not contain a user name or password; …',
    'The header field … is set by the server; choose another name',
    'A webhook can have at most …',
    'A webhook with inboxes or pods must keep at least one; …',
    'client_id cannot be …',
    '… occurs twice; set it or remove it, once',
    'Unknown event type …',
  ]
  const errors = ['not_found', 'limit_exceeded', 'resource_deleting'] as const
  const create = {
    tags,
    summary: 'Create a webhook',
    params: scopeParams,
    body: inScope(scopeRoute, 'Create', CreateWebhook, misnamedScopes(scopeRoute)),
    response: ok(Webhook),
    errors,
    rules,
  }
  app.post(
    all,
    {
      schema: create,
      config: access(['webhook_create', 'message_read'], { ...scopeRoute, conditional: ['webhook_read'] }),
    },
    async ({ actor, params, body }) => {
      rejectOutsideScope(scopeRoute, { pod_ids: body.pod_ids, inbox_ids: body.inbox_ids })
      return webhook(await webhooks.create(actor, withinOf(params), readNewWebhook(body)))
    },
  )

  const get = { tags, summary: 'Get a webhook', params, response: ok(Webhook) }
  app.get(one, { schema: get, config: access('webhook_read', scopeRoute) }, async ({ actor, params }) =>
    webhook(await webhooks.get(actor, withinOf(params), readWebhookId(params.webhook_id))),
  )

  // A change that only disables a webhook needs no permission for the mail that it receives; the response shows the secret to keys that
  // may read it.
  const change = access('webhook_update', { ...scopeRoute, conditional: ['message_read', 'webhook_read'] })
  const update = {
    tags,
    summary: 'Update a webhook',
    params,
    body: inScope(scopeRoute, 'Update', UpdateWebhook),
    response: ok(Webhook),
    errors,
    rules,
  }
  app.patch(one, { schema: update, config: change }, async ({ actor, params, body }) => {
    const { add_pod_ids, remove_pod_ids, add_inbox_ids, remove_inbox_ids } = body
    rejectOutsideScope(scopeRoute, { add_pod_ids, remove_pod_ids, add_inbox_ids, remove_inbox_ids })
    const ref = readWebhookId(params.webhook_id)
    return webhook(await webhooks.update(actor, withinOf(params), ref, readWebhookChange(body)))
  })

  const replace = {
    tags,
    summary: 'Update a webhook (older clients)',
    params,
    body: inScope(scopeRoute, 'Replace', ReplaceWebhook),
    response: ok(Webhook),
    isDeprecated: true,
    errors,
    rules,
  }
  app.put(one, { schema: replace, config: change }, async ({ actor, params, body }) => {
    rejectOutsideScope(scopeRoute, { inbox_ids: body.inbox_ids })
    const ref = readWebhookId(params.webhook_id)
    return webhook(await webhooks.update(actor, withinOf(params), ref, readReplacement(body)))
  })

  const remove = { tags, summary: 'Delete a webhook with all its deliveries', params, response: nothing }
  app.delete(
    one,
    { schema: remove, config: access('webhook_delete', scopeRoute) },
    async ({ actor, params }, reply) => {
      await webhooks.delete(actor, withinOf(params), readWebhookId(params.webhook_id))
      return reply.code(204).send(null)
    },
  )

  const rotate = {
    tags,
    summary: 'Replace the secret of a webhook; the old one continues to sign for a day',
    params,
    body: Type.Optional(RotateSecret),
    response: ok(Webhook),
    isOurs: true,
    errors: ['limit_exceeded'] as const,
    rules: ['A secret is …', 'The webhook already has this secret'],
  }
  app.post(
    `${one}/rotate-secret`,
    { schema: rotate, config: access('webhook_update', scopeRoute) },
    async ({ actor, params, body }) =>
      webhook(await webhooks.rotateSecret(actor, withinOf(params), readWebhookId(params.webhook_id), body?.secret)),
  )

  const headers = `${one}/headers`
  const names = { tags, summary: 'List the names of the custom header fields', params, response: ok(HeaderNames) }
  app.get(headers, { schema: names, config: access('webhook_read', scopeRoute) }, async ({ actor, params }) => ({
    header_names: [...(await webhooks.headerNames(actor, withinOf(params), readWebhookId(params.webhook_id)))],
  }))

  const headerChange = {
    tags,
    summary: 'Set and remove custom header fields',
    params,
    body: UpdateHeaders,
    response: nothing,
    rules: [...rules, 'Send headers or remove_headers'],
  }
  app.patch(
    headers,
    { schema: headerChange, config: access('webhook_update', scopeRoute) },
    async ({ actor, params, body }, reply) => {
      const asked = { set: body.headers, remove: body.remove_headers }
      await webhooks.changeHeaders(actor, withinOf(params), readWebhookId(params.webhook_id), asked)
      return reply.code(204).send(null)
    },
  )
}

/** The members with which a webhook shows where it belongs. In a create they would be ignored, and it would get the events of all inboxes. */
function misnamedScopes(scopeRoute: ScopeRoute): Readonly<Record<string, string>> {
  if (scopeRoute === scopeRoutes.inbox) return {}
  return { inbox_id: 'write inbox_ids', ...(scopeRoute === scopeRoutes.organization && { pod_id: 'write pod_ids' }) }
}

/** Marks the members that are refused in a scope. */
function inScope<Members extends TProperties>(
  scopeRoute: ScopeRoute,
  verb: string,
  body: TObject<Members>,
  more: Readonly<Record<string, string>> = {},
) {
  const scope = scopeRoute === scopeRoutes.inbox ? 'Inbox' : scopeRoute === scopeRoutes.pod ? 'Pod' : ''
  const members = Object.entries(body.properties).map(([name, schema]) => [
    name,
    isOutside(scopeRoute, name) ? Type.Optional({ ...(schema as TSchema), isRefused: true }) : schema,
  ])
  const title = `${verb}${scope}WebhookRequest`
  return Type.Unsafe<Static<TObject<Members>>>(
    named(title, Object.fromEntries(members), { misnamed: { ...misnamed, ...more } }),
  )
}

function isOutside(scopeRoute: ScopeRoute, member: string): boolean {
  if (scopeRoute === scopeRoutes.inbox) return /(?:pod|inbox)_ids$/.test(member)
  return scopeRoute === scopeRoutes.pod && member.endsWith('pod_ids')
}

/**
 * Rejects lists of inboxes and pods for a webhook of an inbox, and lists of pods for a webhook of a pod. If they were
 * ignored, the caller would get more events than requested.
 */
function rejectOutsideScope(
  scopeRoute: ScopeRoute,
  given: Readonly<Record<string, readonly string[] | undefined>>,
): void {
  for (const [name, ids] of Object.entries(given)) {
    if (!isOutside(scopeRoute, name) || ids === undefined) continue
    throw new MailError('validation_error', {
      detail: `${name} is not allowed here: the path already sets the scope of the webhook`,
      path: [name],
    })
  }
}
