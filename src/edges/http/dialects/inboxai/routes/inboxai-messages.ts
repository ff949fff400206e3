/**
 * Message routes of one inbox. Lists contain sent and received mail, also mail that could not be authenticated; spam, blocked
 * mail and trash stay out.
 */
import { Type } from 'typebox'
import type { Labels } from '../../../../../mail/messages/labels/labels.ts'
import type { Messages } from '../../../../../mail/messages/messages.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { sendJson } from '../../../server/json-response.ts'
import { access } from '../../../server/route-access.ts'
import {
  mailQuery,
  misnamedFilters,
  readMailFilter,
  readPage,
  substringList,
} from '../../agentmail/query-parameters.ts'
import { attachmentLink, rawMessage } from '../../agentmail/wire/attachment-wire.ts'
import { LabelsBody, readLabelChange } from '../../agentmail/wire/labels-wire.ts'
import { readMessageId, shownMessageId } from '../inboxai-ids.ts'
import { messageJson, messageList } from '../wire/inboxai-message-wire.ts'

interface MessageNeeds extends HttpContext {
  readonly messages: Messages
  readonly labels: Labels
}

const all = '/inboxes/:inbox_id/messages'
const one = `${all}/:message_id`
const ids = { inbox_id: Type.String(), message_id: Type.String() }
const params = Type.Object(ids)
const listQuery = Type.Object(
  { ...mailQuery, from: substringList, to: substringList },
  misnamedFilters('this API has no search. Filter with subject, from or to'),
)

/** Parses the filters of a list. Mail that could not be authenticated is always included. */
export function readFilter(query: Parameters<typeof readMailFilter>[0]) {
  const filter = readMailFilter(query)
  return { ...filter, include: [...filter.include, 'unauthenticated' as const] }
}

export function messageRoutes(app: HttpApp, { messages, labels, publicUrl, responses }: MessageNeeds): void {
  const list = { params: Type.Object({ inbox_id: ids.inbox_id }), querystring: listQuery }
  app.get(all, { schema: list, config: access('message_read') }, async (request, reply) => {
    const { actor, params, query } = request
    const filter = { ...readFilter(query), from: query.from, to: query.to }
    const memory = responses.memoryOf(request, reply)
    return messageList(await messages.list(actor, params.inbox_id, filter, readPage(query), memory))
  })

  app.get(one, { schema: { params }, config: access('message_read') }, async (request, reply) => {
    const { actor, params } = request
    const id = readMessageId(params.message_id)
    const found = await messages.getEncoded(actor, params.inbox_id, id, responses.memoryOf(request, reply))
    return sendJson(reply, messageJson(found))
  })

  app.patch(one, { schema: { params, body: LabelsBody }, config: access('message_update') }, async (request) => {
    const { actor, params, body } = request
    const id = readMessageId(params.message_id)
    const [changed] = await labels.change(actor, params.inbox_id, [id], readLabelChange(body))
    return { message_id: shownMessageId(changed!.id), labels: changed!.labels } // one message in, one out
  })

  app.delete(one, { schema: { params }, config: access('message_delete') }, async ({ actor, params }, reply) => {
    await messages.delete(actor, params.inbox_id, readMessageId(params.message_id))
    return reply.code(204).send(null)
  })

  app.get(`${one}/raw`, { schema: { params }, config: access('message_read') }, async ({ actor, params }) => {
    const raw = await messages.raw(actor, params.inbox_id, readMessageId(params.message_id))
    return { ...rawMessage(publicUrl(), raw), message_id: params.message_id }
  })

  const attachmentParams = Type.Object({ ...ids, attachment_id: Type.String() })
  app.get(
    `${one}/attachments/:attachment_id`,
    { schema: { params: attachmentParams }, config: access('message_read') },
    async ({ actor, params: { inbox_id, message_id, attachment_id } }) =>
      attachmentLink(publicUrl(), await messages.attachment(actor, inbox_id, readMessageId(message_id), attachment_id)),
  )
}
