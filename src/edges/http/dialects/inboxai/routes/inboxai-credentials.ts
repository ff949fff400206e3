/** Credentials of mail programs, below their inbox. The documentation of inboxai shows no such route: these are our own. */
import { Type } from 'typebox'
import type { AppPasswords } from '../../../../../mail/access/keys/app-passwords.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../../agentmail/query-parameters.ts'
import {
  CREDENTIALS_NAME,
  CreateCredentials,
  credentials,
  credentialsList,
  credentialsWithPassword,
  type MailServers,
} from '../wire/credentials-wire.ts'

interface CredentialNeeds {
  readonly appPasswords: AppPasswords
  readonly mailServers: () => MailServers
}

const all = '/inboxes/:inbox_id/credentials'
const one = `${all}/:credential_id`
const inboxParams = Type.Object({ inbox_id: Type.String() })
const params = Type.Object({ inbox_id: Type.String(), credential_id: Type.String() })

export function credentialRoutes(app: HttpApp, { appPasswords, mailServers }: CredentialNeeds): void {
  const list = { schema: { params: inboxParams, querystring: Type.Object(pageQuery) }, config: access('api_key_read') }
  app.get(all, list, async ({ actor, params, query }) =>
    credentialsList(await appPasswords.list(actor, params.inbox_id, readPage(query)), mailServers()),
  )

  const create = { schema: { params: inboxParams, body: CreateCredentials }, config: access('api_key_create') }
  app.post(all, create, async ({ actor, params, body }) => {
    const name = body.name ?? CREDENTIALS_NAME
    return credentialsWithPassword(await appPasswords.create(actor, params.inbox_id, { name }), mailServers())
  })

  app.get(one, { schema: { params }, config: access('api_key_read') }, async ({ actor, params }) =>
    credentials(await appPasswords.get(actor, params.inbox_id, params.credential_id), mailServers()),
  )

  app.post(`${one}/rotate`, { schema: { params }, config: access('api_key_update') }, async ({ actor, params }) =>
    credentialsWithPassword(await appPasswords.rotate(actor, params.inbox_id, params.credential_id), mailServers()),
  )

  app.delete(one, { schema: { params }, config: access('api_key_delete') }, async ({ actor, params }, reply) => {
    await appPasswords.delete(actor, params.inbox_id, params.credential_id)
    return reply.code(204).send(null)
  })
}
