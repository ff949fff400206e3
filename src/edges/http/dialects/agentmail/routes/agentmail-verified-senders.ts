/** Senders that have answered a challenge of an inbox. Martlet's own: AgentMail sends no challenges. */
import { Type } from 'typebox'
import type { VerifiedSenders } from '../../../../../mail/receiving/challenges/verified-senders.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../query-parameters.ts'
import { nothing, ok } from '../wire/shape-wire.ts'
import { VerifiedSenderList, verifiedSenderList } from '../wire/verified-sender-wire.ts'

const tags = ['Verified senders']
const all = '/inboxes/:inbox_id/verified-senders'
const inbox = { inbox_id: Type.String({ description: 'Address.' }) }

interface VerifiedSendersNeeds {
  readonly verifiedSenders: VerifiedSenders
}

export function verifiedSenderRoutes(app: HttpApp, { verifiedSenders }: VerifiedSendersNeeds): void {
  const list = {
    tags,
    isOurs: true,
    summary: 'List senders that have answered a challenge of an inbox',
    params: Type.Object(inbox),
    querystring: Type.Object(pageQuery),
    response: ok(VerifiedSenderList),
  }
  app.get(all, { schema: list, config: access('list_entry_read') }, async ({ actor, params, query }) =>
    verifiedSenderList(await verifiedSenders.list(actor, params.inbox_id, readPage(query))),
  )

  const remove = {
    tags,
    isOurs: true,
    summary: 'Revoke a sender; none of its messages counts as verified any more',
    params: Type.Object({ ...inbox, sender_id: Type.String({ description: 'Id.' }) }),
    response: nothing,
  }
  const one = `${all}/:sender_id`
  app.delete(one, { schema: remove, config: access('list_entry_delete') }, async ({ actor, params }, reply) => {
    await verifiedSenders.revoke(actor, params.inbox_id, params.sender_id)
    return reply.code(204).send(null)
  })
}
