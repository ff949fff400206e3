/** App passwords of an inbox, for mail programs. Martlet's own: AgentMail has API keys only. */
import { Type } from 'typebox'
import type { AppPasswords } from '../../../../../mail/access/keys/app-passwords.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../query-parameters.ts'
import { paramsOf, scopeRoutes } from '../scope-routes.ts'
import {
  AppPassword,
  AppPasswordList,
  appPassword,
  appPasswordList,
  CreateAppPassword,
  NewAppPassword,
  newAppPassword,
  readNewAppPassword,
} from '../wire/app-password-wire.ts'
import { nothing, ok } from '../wire/shape-wire.ts'

const tags = ['App passwords']

export function appPasswordRoutes(app: HttpApp, { appPasswords }: { readonly appPasswords: AppPasswords }): void {
  const all = `${scopeRoutes.inbox.path}/app-passwords`
  const one = `${all}/:app_password_id`
  const params = paramsOf<{ app_password_id: string }>(scopeRoutes.inbox, {
    app_password_id: Type.String({ description: 'Id.' }),
  })
  const inboxOf = (given: { readonly inbox_id?: string }) => given.inbox_id!

  const list = {
    tags,
    isOurs: true,
    summary: 'List app passwords',
    params: paramsOf(scopeRoutes.inbox, {}),
    querystring: Type.Object(pageQuery),
    response: ok(AppPasswordList),
  }
  app.get(all, { schema: list, config: access('api_key_read') }, async ({ actor, params, query }) =>
    appPasswordList(await appPasswords.list(actor, inboxOf(params), readPage(query))),
  )

  const create = {
    tags,
    isOurs: true,
    summary: 'Create an app password',
    params: paramsOf(scopeRoutes.inbox, {}),
    body: CreateAppPassword,
    errors: ['limit_exceeded', 'permission_escalation', 'unrestricted_key_required', 'forbidden'] as const,
    response: ok(NewAppPassword),
  }
  app.post(all, { schema: create, config: access('api_key_create') }, async ({ actor, params, body }) =>
    newAppPassword(await appPasswords.create(actor, inboxOf(params), readNewAppPassword(body))),
  )

  const get = { tags, isOurs: true, summary: 'Get an app password', params, response: ok(AppPassword) }
  app.get(one, { schema: get, config: access('api_key_read') }, async ({ actor, params }) =>
    appPassword(await appPasswords.get(actor, inboxOf(params), params.app_password_id)),
  )

  const rotate = {
    tags,
    isOurs: true,
    summary: 'Replace an app password; the old one stops working at once',
    params,
    response: ok(NewAppPassword),
  }
  app.post(`${one}/rotate`, { schema: rotate, config: access('api_key_update') }, async ({ actor, params }) =>
    newAppPassword(await appPasswords.rotate(actor, inboxOf(params), params.app_password_id)),
  )

  const remove = {
    tags,
    isOurs: true,
    summary: 'Delete an app password; it stops working at once',
    params,
    response: nothing,
  }
  app.delete(one, { schema: remove, config: access('api_key_delete') }, async ({ actor, params }, reply) => {
    await appPasswords.delete(actor, inboxOf(params), params.app_password_id)
    return reply.code(204).send(null)
  })
}
