/** Inbox routes. A new inbox comes with a password for mail programs, which is shown once. */
import { Type } from 'typebox'
import type { Inboxes } from '../../../../../mail/inboxes/inboxes.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../../agentmail/query-parameters.ts'
import { refuseNarrowerScope, scopeRoutes } from '../../agentmail/scope-routes.ts'
import { CreateInbox, readInboxChange, readNewInbox, UpdateInbox } from '../../agentmail/wire/inbox-wire.ts'
import { CREDENTIALS_NAME, type MailServers } from '../wire/credentials-wire.ts'
import { createdInbox, inbox, inboxList } from '../wire/inboxai-inbox-wire.ts'

interface InboxNeeds {
  readonly inboxes: Inboxes
  readonly mailServers: () => MailServers
}

const one = '/inboxes/:inbox_id'
const params = Type.Object({ inbox_id: Type.String() })

export function inboxRoutes(app: HttpApp, { inboxes, mailServers }: InboxNeeds): void {
  const list = { schema: { querystring: Type.Object(pageQuery) }, config: access('inbox_read') }
  app.get('/inboxes', list, async ({ actor, query }) => inboxList(await inboxes.list(actor, {}, readPage(query))))

  const create = access('inbox_create', {
    narrowestKey: 'pod',
    conditional: ['inbox_read', 'message_delete', 'api_key_create'],
  })
  const body = refuseNarrowerScope(CreateInbox, scopeRoutes.organization, '/inboxes', [scopeRoutes.pod])
  app.post('/inboxes', { schema: { body }, config: create }, async ({ actor, body }) => {
    const servers = mailServers()
    const appPasswordName = servers.imap || servers.smtp ? CREDENTIALS_NAME : undefined
    return createdInbox(await inboxes.create(actor, {}, { ...readNewInbox(body), appPasswordName }), servers)
  })

  app.get(one, { schema: { params }, config: access('inbox_read') }, async ({ actor, params }) =>
    inbox(await inboxes.get(actor, {}, params.inbox_id)),
  )

  const update = access('inbox_update', { conditional: ['message_delete'] })
  app.patch(one, { schema: { params, body: UpdateInbox }, config: update }, async ({ actor, params, body }) =>
    inbox(await inboxes.update(actor, {}, params.inbox_id, readInboxChange(body))),
  )

  app.delete(one, { schema: { params }, config: access('inbox_delete') }, async ({ actor, params }, reply) => {
    await inboxes.delete(actor, {}, params.inbox_id)
    return reply.code(204).send(null)
  })
}
