/** The received messages of the agent, oldest first, and how many of them are unread. */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import { inboxOf } from '../../../../../mail/access/access.ts'
import type { Messages } from '../../../../../mail/messages/messages.ts'
import type { SenderTrust } from '../../../../../mail/messages/sender-trust.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { inboxPage, readInboxFilter } from '../wire/assmbl-message-wire.ts'

interface InboxNeeds extends HttpContext {
  readonly messages: Messages
  readonly senderTrust: SenderTrust
  readonly limits: Limits
}

const flag = Type.Optional(Type.Boolean())
const list = {
  querystring: Type.Object({
    limit: Type.Optional(Type.Integer({ minimum: 1 })),
    cursor: Type.Optional(Type.String()),
    q: Type.Optional(Type.String()),
    label: Type.Optional(Type.String({ minLength: 1 })),
    is_read: flag,
    include_archived: flag,
    verified_only: flag,
  }),
}

export function inboxRoutes(app: HttpApp, { messages, senderTrust, limits, responses }: InboxNeeds): void {
  const config = access('message_read', { widestKey: 'inbox' })
  app.get('/inbox', { schema: list, config }, async (request, reply) => {
    const { actor, query } = request
    const page = {
      limit: Math.min(query.limit ?? limits.lists.pageDefault, limits.lists.filteredPageMax),
      pageToken: query.cursor,
      ascending: true,
    }
    const memory = responses.memoryOf(request, reply)
    return inboxPage(await messages.list(actor, inboxOf(actor), readInboxFilter(query), page, memory), senderTrust)
  })

  app.get('/inbox/unread_count', { config }, async ({ actor }) => ({
    unread_count: await messages.unreadCount(actor, inboxOf(actor)),
  }))
}
