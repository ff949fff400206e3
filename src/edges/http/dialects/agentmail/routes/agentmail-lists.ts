/** Routes of allow and block lists, for the organization, a pod and an inbox. */
import { Type } from 'typebox'
import type { ListDirection, ListType } from '../../../../../mail/inboxes/lists/list-entry.ts'
import type { Lists } from '../../../../../mail/inboxes/lists/lists.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../query-parameters.ts'
import { paramsOf, refuseNarrowerScope, type ScopeRoute, scopeRoutes, withinOf } from '../scope-routes.ts'
import { CreateListEntry, ListEntry, ListEntryList, listEntry, listEntryList } from '../wire/list-entry-wire.ts'
import { emailAddress } from '../wire/request-texts.ts'
import { named, nothing, ok } from '../wire/shape-wire.ts'

const tags = ['Lists']

interface ListParams extends Record<string, string> {
  direction: ListDirection
  type: ListType
}

const listParams = {
  direction: Type.Enum(['send', 'receive', 'reply'], {
    description: '`reply`: mail that answers a message of the inbox. `receive`: all other received mail.',
  }),
  type: Type.Enum(['allow', 'block']),
}

export function listRoutes(app: HttpApp, needs: { readonly lists: Lists }): void {
  for (const scopeRoute of Object.values(scopeRoutes)) addRoutes(app, scopeRoute, needs)

  const unsuppress = {
    tags,
    summary: 'Remove the read-only entries of an address to which mail bounced (root key only)',
    isOurs: true,
    rules: ['entry must be an address like ann@example.com, or a domain like example.com …'],
    body: named('RemoveSuppressionRequest', {
      address: Type.String({ rule: emailAddress }),
      organization_id: Type.Optional(Type.String({ description: 'Default: all organizations.' })),
    }),
    response: ok(
      named('RemoveSuppressionResponse', {
        removed: Type.Boolean({ description: 'Whether there was such an entry.' }),
        organization_ids: Type.Array(Type.String(), { description: 'The organizations that had one.' }),
      }),
    ),
  }
  const root = access([], { narrowestKey: 'root' })
  app.post('/suppressions/remove', { schema: unsuppress, config: root }, async ({ actor, body }) => {
    const organizations = await needs.lists.removeSuppression(actor, body.address, body.organization_id)
    return { removed: organizations.length > 0, organization_ids: organizations }
  })
}

function addRoutes(app: HttpApp, scopeRoute: ScopeRoute, { lists }: { readonly lists: Lists }): void {
  const all = `${scopeRoute.path}/lists/:direction/:type`
  const one = `${all}/:entry`
  const params = paramsOf<ListParams>(scopeRoute, listParams)
  const entryParams = paramsOf<ListParams & { entry: string }>(scopeRoute, {
    ...listParams,
    entry: Type.String({ description: 'An address or a domain.' }),
  })
  const { limit, page_token } = pageQuery
  const querystring = Type.Object({ limit, page_token })

  // Lists of the organization concern all pods.
  const keys = scopeRoute === scopeRoutes.organization ? ({ narrowestKey: 'organization' } as const) : scopeRoute
  const list = { tags, summary: 'List the entries of a list', params, querystring, response: ok(ListEntryList) }
  app.get(all, { schema: list, config: access('list_entry_read', keys) }, async ({ actor, params, query }) =>
    listEntryList(await lists.list(actor, withinOf(params), params, readPage(query))),
  )

  const create = {
    tags,
    summary: 'Add an entry to a list',
    params,
    body: refuseNarrowerScope(CreateListEntry, scopeRoute, '/lists/{direction}/{type}'),
    response: ok(ListEntry),
    errors: ['limit_exceeded', 'organization_unverified'] as const,
    rules: [
      'entry must be an address like ann@example.com, or a domain like example.com …',
      'entry has no wildcards: …',
    ],
  }
  app.post(all, { schema: create, config: access('list_entry_create', keys) }, async ({ actor, params, body }) =>
    listEntry(await lists.create(actor, withinOf(params), params, { entry: body.entry, reason: body.reason })),
  )

  const get = { tags, summary: 'Get an entry of a list', params: entryParams, response: ok(ListEntry) }
  app.get(one, { schema: get, config: access('list_entry_read', keys) }, async ({ actor, params }) =>
    listEntry(await lists.get(actor, withinOf(params), params, params.entry)),
  )

  const remove = {
    tags,
    summary: 'Delete an entry of a list',
    params: entryParams,
    response: nothing,
    errors: ['cannot_delete'] as const,
  }
  app.delete(one, { schema: remove, config: access('list_entry_delete', keys) }, async ({ actor, params }, reply) => {
    await lists.delete(actor, withinOf(params), params, params.entry)
    return reply.code(204).send(null)
  })
}
