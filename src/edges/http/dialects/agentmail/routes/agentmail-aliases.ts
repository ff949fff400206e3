/** Routes of the further addresses of an inbox. Added by Martlet. */
import { Type } from 'typebox'
import type { Aliases, Alias as AliasView } from '../../../../../mail/inboxes/aliases.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { paramsOf, scopeRoutes } from '../scope-routes.ts'
import { emailAddress, usernameRules } from '../wire/request-texts.ts'
import { named, nothing, ok, Time, time, type Wire } from '../wire/shape-wire.ts'

interface InboxParams extends Record<string, string> {
  inbox_id: string
}

const inboxParams = { inbox_id: Type.String({ description: 'Address.' }) }
const tags = ['Inboxes']
const Alias = named('Alias', { address: Type.String({ description: 'In lower case.' }), created_at: Time })

export function aliasRoutes(app: HttpApp, { aliases }: { readonly aliases: Aliases }): void {
  const all = `${scopeRoutes.inbox.path}/aliases`
  const params = paramsOf<InboxParams>(scopeRoutes.inbox, inboxParams)
  const aliasParams = paramsOf<InboxParams & { address: string }>(scopeRoutes.inbox, {
    ...inboxParams,
    address: Type.String({ description: 'The alias.' }),
  })
  const keys = { narrowestKey: 'pod' } as const

  const list = {
    tags,
    isOurs: true,
    summary: 'List the aliases of an inbox',
    params,
    response: ok(named('ListAliasesResponse', { count: Type.Integer(), aliases: Type.Array(Alias) })),
  }
  app.get(all, { schema: list, config: access('inbox_read', scopeRoutes.inbox) }, async ({ actor, params }) => {
    const found = await aliases.list(actor, params.inbox_id)
    return { count: found.length, aliases: found.map(alias) }
  })

  const body = named('CreateAliasRequest', {
    address: Type.String({ description: 'In the shared domain or a verified one of yours.', rule: emailAddress }),
  })
  const create = {
    tags,
    isOurs: true,
    summary: 'Add an alias to an inbox',
    params,
    body,
    response: ok(Alias),
    errors: [
      'resource_taken',
      'domain_not_available',
      'domain_not_verified',
      'limit_exceeded',
      'forbidden',
      'resource_deleting',
    ] as const,
    rules: usernameRules,
  }
  app.post(all, { schema: create, config: access('inbox_update', keys) }, async ({ actor, params, body }) =>
    alias(await aliases.create(actor, params.inbox_id, body.address)),
  )

  const remove = { tags, isOurs: true, summary: 'Delete an alias of an inbox', params: aliasParams, response: nothing }
  app.delete(
    `${all}/:address`,
    { schema: remove, config: access('inbox_update', keys) },
    async ({ actor, params }, reply) => {
      await aliases.delete(actor, params.inbox_id, params.address)
      return reply.code(204).send(null)
    },
  )
}

function alias({ address, createdAt }: AliasView): Wire<typeof Alias> {
  return { address, created_at: time(createdAt) }
}
