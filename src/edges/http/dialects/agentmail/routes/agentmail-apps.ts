/**
 * Lists of apps that agents sign in to, and of their accounts. Martlet has none, so they are empty; a single one is not
 * found (agentmail-unbuilt.ts), and neither is a sign-in that an inbox authorizes. Providers are the older name of apps.
 */
import { Type } from 'typebox'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import { type Apps, authTokenPattern } from '../../../../../mail/accounts/apps.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../query-parameters.ts'
import { paramsOf, type ScopeRoute, scopeRoutes, withinOf } from '../scope-routes.ts'
import { named, ok, pageHead, pageOf } from '../wire/shape-wire.ts'

const tags = ['Apps']
const anyKey = access([])

/** AgentMail's categories. */
const categories = [
  ...['ai', 'search', 'scraping', 'browser', 'data', 'developer-tools', 'communication', 'productivity', 'payments'],
  ...['finance', 'commerce', 'marketing', 'analytics', 'security', 'infrastructure', 'other'],
]
const listQuery = Type.Object({
  ...pageQuery,
  category: Type.Optional(Type.Enum(categories, { description: 'Category of the apps.' })),
})
const searchQuery = Type.Object({ limit: pageQuery.limit, q: Type.String({ description: 'Any text.' }) })

const Authorization = named('AuthorizeInboxRequest', {
  auth_token: Type.String({
    description: 'Token of a sign-in that waits at `auth.agentid.com`.',
    rule: { pattern: authTokenPattern },
  }),
  accept_disclosure: Type.Optional(Type.Boolean({ description: 'Whether to accept the disclosure of the app.' })),
})
const Authorized = named('AuthorizeInboxResponse', {
  api_key_id: Type.String(),
  instructions: Type.Literal('Authorization complete. Return to browser.'),
})

/** A list that is always empty. Its items are in a member with the name of the list. */
type EmptyList = ReturnType<typeof pageHead>

function responseOf(name: string) {
  return { 200: Type.Unsafe<EmptyList>(pageOf({ [name]: Type.Array(Type.Object({})) })) }
}

function emptyList(name: string, page: Page<never>): EmptyList {
  return { ...pageHead(page), [name]: page.items }
}

export function appRoutes(app: HttpApp, { apps }: { readonly apps: Apps }): void {
  for (const name of ['apps', 'providers']) addApps(app, name, apps)
  for (const scopeRoute of Object.values(scopeRoutes)) addAccounts(app, scopeRoute, apps)
  addAuthorization(app, apps)
}

function addApps(app: HttpApp, name: string, apps: Apps): void {
  const list = { tags, summary: `List ${name}: there are none`, querystring: listQuery, response: responseOf(name) }
  app.get(`/${name}`, { schema: list, config: anyKey }, ({ actor, query }) =>
    emptyList(name, apps.list(actor, readPage(query))),
  )

  const search = {
    tags,
    summary: `Search ${name}: there are none`,
    querystring: searchQuery,
    response: responseOf(name),
  }
  app.get(`/${name}/search`, { schema: search, config: anyKey }, ({ actor, query }) =>
    emptyList(name, apps.list(actor, { limit: query.limit })),
  )
}

function addAccounts(app: HttpApp, scopeRoute: ScopeRoute, apps: Apps): void {
  const list = {
    tags,
    summary: 'List accounts: there are none',
    params: paramsOf(scopeRoute, {}),
    querystring: Type.Object(pageQuery),
    response: responseOf('accounts'),
  }
  const config = access('inbox_read', scopeRoute)
  app.get(`${scopeRoute.path}/accounts`, { schema: list, config }, async ({ actor, params, query }) =>
    emptyList('accounts', await apps.listAccounts(actor, withinOf(params), readPage(query))),
  )
}

function addAuthorization(app: HttpApp, apps: Apps): void {
  const params = Type.Object({ inbox_id: Type.String({ description: 'Address.' }) })
  const authorize = {
    tags,
    summary: 'Authorize a sign-in for an inbox: there are none',
    description: 'Always 404: sign-ins belong to a service of AgentMail, and only that service knows the token.',
    refused: 'Sign-ins of agents',
    params,
    body: Authorization,
    response: ok(Authorized),
  }
  const config = access('app_connect', scopeRoutes.inbox)
  app.post(`${scopeRoutes.inbox.path}/authorize`, { schema: authorize, config }, ({ actor, params, body }) =>
    apps.authorize(actor, params.inbox_id, body.auth_token),
  )
}
