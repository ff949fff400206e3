/** One message of the agent: its content, its labels, and its deletion. */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import { inboxOf } from '../../../../../mail/access/access.ts'
import type { Labels } from '../../../../../mail/messages/labels/labels.ts'
import type { Messages } from '../../../../../mail/messages/messages.ts'
import type { SenderTrust } from '../../../../../mail/messages/sender-trust.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { fileUrl } from '../wire/assmbl-attachment-wire.ts'
import { shownLabels, wholeMessage } from '../wire/assmbl-message-wire.ts'

interface MessageNeeds extends HttpContext {
  readonly messages: Messages
  readonly labels: Labels
  readonly senderTrust: SenderTrust
  readonly limits: Limits
}

const one = '/messages/:message_id'
const params = Type.Object({ message_id: Type.String() })
const labelList = Type.Optional(Type.Array(Type.String()))
const changeLabels = { params, body: Type.Object({ add: labelList, remove: labelList }) }
const changeRead = { params, body: Type.Object({ is_read: Type.Boolean() }) }
const changeArchived = { params, body: Type.Object({ archived: Type.Boolean() }) }
const narrow = { widestKey: 'inbox' } as const

export function messageRoutes(app: HttpApp, needs: MessageNeeds): void {
  const { messages, labels, senderTrust, limits, publicUrl, responses } = needs
  const config = access('message_update', narrow)
  const bounds = { charsMax: limits.messages.ownLabelCharsMax, ownMax: limits.messages.ownLabelsMax }

  app.get(one, { schema: { params }, config: access('message_read', narrow) }, async (request, reply) => {
    const { actor, params } = request
    const memory = responses.memoryOf(request, reply)
    const found = await messages.getWithSource(actor, inboxOf(actor), params.message_id, memory)
    return wholeMessage(found, senderTrust, fileUrl(publicUrl(), found.token))
  })

  app.delete(one, { schema: { params }, config: access('message_delete', narrow) }, async ({ actor, params }) => {
    await messages.delete(actor, inboxOf(actor), params.message_id)
    return { message_id: params.message_id, deleted: true }
  })

  app.patch(`${one}/labels`, { schema: changeLabels, config }, async ({ actor, params, body }) => {
    const [changed] = await labels.change(actor, inboxOf(actor), [params.message_id], body, bounds)
    return { message_id: changed!.id, labels: shownLabels(changed!.labels) } // one message in, one out
  })

  app.patch(`${one}/read`, { schema: changeRead, config }, async ({ actor, params, body }) => {
    const change = body.is_read ? { remove: ['unread'] } : { add: ['unread'] }
    const [changed] = await labels.change(actor, inboxOf(actor), [params.message_id], change)
    return { message_id: changed!.id, is_read: body.is_read }
  })

  app.patch(`${one}/archive`, { schema: changeArchived, config }, async ({ actor, params, body }) => {
    const { id } = await labels.setArchived(actor, inboxOf(actor), params.message_id, body.archived)
    return { message_id: id, archived: body.archived }
  })
}
