/** Inbox routes. */
import { Type } from 'typebox'
import type { Inboxes } from '../../../../../mail/inboxes/inboxes.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { readId, readInboxId } from '../prefixed-ids.ts'
import { CreateInbox, inbox, readInboxChange, readNewInbox, UpdateInbox } from '../wire/agentpost-inbox-wire.ts'
import { listOf, pageQuery, readPage } from '../wire/agentpost-shape-wire.ts'

const querystring = Type.Object({ ...pageQuery, environment_id: Type.Optional(Type.String()) })
const params = Type.Object({ inbox_id: Type.String() })
const one = '/inboxes/:inbox_id'

/** Returns the scope of a call for the environment that a request names. */
export function withinEnvironment(id: string | undefined) {
  return id === undefined ? {} : { pod: readId('env', id) }
}

export function inboxRoutes(app: HttpApp, { inboxes }: { readonly inboxes: Inboxes }): void {
  app.get('/inboxes', { schema: { querystring }, config: access('inbox_read') }, async ({ actor, query }) =>
    listOf(await inboxes.list(actor, withinEnvironment(query.environment_id), readPage(query)), inbox),
  )

  app.post(
    '/inboxes',
    {
      schema: { body: CreateInbox },
      config: access('inbox_create', { narrowestKey: 'pod', conditional: ['inbox_read'] }),
    },
    async ({ actor, body }, reply) => {
      const made = await inboxes.create(actor, withinEnvironment(body.environment_id), readNewInbox(body))
      return reply.code(201).send(inbox(made))
    },
  )

  app.get(one, { schema: { params }, config: access('inbox_read') }, async ({ actor, params }) =>
    inbox(await inboxes.get(actor, {}, readInboxId(params.inbox_id))),
  )

  app.patch(one, { schema: { params, body: UpdateInbox }, config: access('inbox_update') }, async (request) => {
    const { actor, params, body } = request
    return inbox(await inboxes.update(actor, {}, readInboxId(params.inbox_id), readInboxChange(body)))
  })

  app.delete(one, { schema: { params }, config: access('inbox_delete') }, async ({ actor, params }, reply) => {
    await inboxes.delete(actor, {}, readInboxId(params.inbox_id))
    return reply.code(204).send(null)
  })
}
