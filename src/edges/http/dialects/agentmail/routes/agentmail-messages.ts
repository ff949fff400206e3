/**
 * Message routes of one inbox: lists, bodies, labels, raw bytes, and the deliveries of sent messages. The id of a
 * message is its Message-ID, with or without brackets.
 */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { Labels } from '../../../../../mail/messages/labels/labels.ts'
import type { MessageBatches } from '../../../../../mail/messages/message-batches.ts'
import type { Messages } from '../../../../../mail/messages/messages.ts'
import type { WaitForMessage } from '../../../../../mail/messages/wait/wait-for-message.ts'
import type { RecipientStatuses } from '../../../../../mail/sending/queue/recipient-statuses.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { sendJson } from '../../../server/json-response.ts'
import { access } from '../../../server/route-access.ts'
import type { Rule } from '../openapi/openapi-schemas.ts'
import {
  mailFilters,
  mailQuery,
  misnamedFilters,
  readMailFilter,
  readPage,
  readTimeOrCursor,
  substringList,
  substringRules,
} from '../query-parameters.ts'
import { AttachmentLink, attachmentLink, RawMessage, rawMessage } from '../wire/attachment-wire.ts'
import { LabelsBody, labelChangeRules, labelsBody, readLabelChange } from '../wire/labels-wire.ts'
import {
  AwaitedMessage,
  awaitedMessage,
  Message,
  MessageBatch,
  MessageLabels,
  MessageLabelsBatch,
  MessageList,
  messageBatch,
  messageJson,
  messageLabels,
  messageLabelsBatch,
  messageList,
} from '../wire/message-wire.ts'
import { RecipientStatusList, recipientStatusList } from '../wire/recipient-status-wire.ts'
import { named, nothing, ok } from '../wire/shape-wire.ts'

interface MessageNeeds extends HttpContext {
  readonly messages: Messages
  readonly messageBatches: MessageBatches
  readonly labels: Labels
  readonly recipientStatuses: RecipientStatuses
  readonly waitForMessage: WaitForMessage
  readonly limits: Limits
}

const tags = ['Messages']
const all = '/inboxes/:inbox_id/messages'
const one = `${all}/:message_id`
const ids = {
  inbox_id: Type.String({ description: 'Address.' }),
  message_id: Type.String({ description: 'Message-ID, with or without angle brackets.' }),
}
const params = Type.Object(ids)

const misnamedQuery = misnamedFilters('search with GET /v0/inboxes/{inbox_id}/messages/search?q=')

const list = {
  tags,
  summary: 'List the messages of an inbox, without bodies',
  params: Type.Object({ inbox_id: ids.inbox_id }),
  querystring: Type.Object({ ...mailQuery, from: substringList, to: substringList }, misnamedQuery),
  response: ok(MessageList),
  rules: substringRules,
}
/** This path overlaps those of single messages, but no message has the id "wait": clients see only Message-IDs. */
const wait = (limits: Limits) => ({
  tags,
  summary: 'Get the first message that matches, or wait for it',
  description:
    'If no message matches in time, the response has `message: null`. Send its `cursor` as `after` to continue without ' +
    'a gap. Without `labels`, only received messages match.',
  params: Type.Object({ inbox_id: ids.inbox_id }),
  querystring: Type.Object(
    {
      ...mailFilters,
      from: substringList,
      to: substringList,
      after: Type.Optional(
        Type.String({
          description:
            'ISO 8601, exclusive; or the cursor of a response or an event; or `latest`. Default: the whole inbox, oldest first.',
        }),
      ),
      wait_seconds: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: limits.messages.waitMsMax / 1_000,
          default: limits.messages.waitMs / 1_000,
          description: 'How long to wait.',
        }),
      ),
    },
    misnamedQuery,
  ),
  response: ok(AwaitedMessage),
  isOurs: true,
  errors: ['cursor_expired', 'too_many_connections'] as const,
  rules: ['after must be a cursor from this server or an ISO 8601 time', 'The cursor is invalid'],
})
const get = { tags, summary: 'Get a message with its bodies', params, response: ok(Message) }
const update = {
  tags,
  summary: 'Add and remove labels of a message',
  params,
  body: labelsBody('UpdateMessageRequest'),
  response: ok(MessageLabels),
  rules: labelChangeRules,
}
const remove = { tags, summary: 'Delete a message permanently', params, response: nothing }
const raw = { tags, summary: 'Get a link to the raw message', params, response: ok(RawMessage) }
const getAttachment = {
  tags,
  summary: 'Get a link to an attachment',
  params: Type.Object({ ...ids, attachment_id: Type.String({ description: 'Id in the list of attachments.' }) }),
  response: ok(AttachmentLink),
}
const messageIds = (rule: Rule) =>
  Type.Array(Type.String(), { description: 'Ids that are unknown are left out.', rule })
const idRules = ['message_ids must not name a message twice']
const batchGet = {
  tags,
  summary: 'Get messages by their ids, without bodies',
  params: Type.Object({ inbox_id: ids.inbox_id }),
  body: named('BatchGetMessagesRequest', {
    message_ids: messageIds(({ lists }) => ({ minItems: 1, maxItems: lists.pageMax, uniqueItems: true })),
  }),
  response: ok(MessageBatch),
  rules: [...idRules, 'These messages have too long subjects; name fewer of them'],
}
const batchUpdate = {
  tags,
  summary: 'Add and remove labels of several messages at once',
  params: Type.Object({ inbox_id: ids.inbox_id }),
  body: named('BatchUpdateMessagesRequest', {
    message_ids: messageIds(({ messages }) => ({ minItems: 1, maxItems: messages.batchUpdateMax, uniqueItems: true })),
    ...LabelsBody.properties,
  }),
  response: ok(MessageLabelsBatch),
  rules: [...idRules, ...labelChangeRules],
}
const listDeliveries = {
  tags,
  summary: 'List the delivery state of each recipient of a sent message',
  params,
  response: ok(RecipientStatusList),
  isOurs: true,
}

export function messageRoutes(app: HttpApp, needs: MessageNeeds): void {
  const { messages, messageBatches, labels, recipientStatuses, waitForMessage, limits } = needs
  const { publicUrl, longPolls, responses } = needs
  app.get(all, { schema: list, config: access('message_read') }, async (request, reply) => {
    const { actor, params, query } = request
    const filter = { ...readMailFilter(query), from: query.from, to: query.to }
    const memory = responses.memoryOf(request, reply)
    return messageList(await messages.list(actor, params.inbox_id, filter, readPage(query), memory))
  })

  app.get(
    `${all}/wait`,
    { schema: wait(limits), config: access('message_read'), exposeHeadRoute: false },
    async (request, reply) => {
      const { actor, params, query } = request
      const { from, to, after, wait_seconds, ...rest } = query
      const waitMs = wait_seconds === undefined ? limits.messages.waitMs : wait_seconds * 1_000
      const filter = { ...readMailFilter(rest), from, to }
      const start = readTimeOrCursor('after', after)
      const wait = longPolls.begin(reply, actor.apiKeyId, waitMs)
      const memory = responses.memoryOf(request, reply)
      return awaitedMessage(await waitForMessage.first(actor, params.inbox_id, filter, start, wait, memory))
    },
  )

  app.post(`${all}/batch-get`, { schema: batchGet, config: access('message_read') }, async (request, reply) => {
    const { actor, params, body } = request
    const memory = responses.memoryOf(request, reply)
    const found = await messageBatches.get(actor, params.inbox_id, body.message_ids, memory)
    return messageBatch(body.message_ids.length, found)
  })

  app.post(
    `${all}/batch-update`,
    { schema: batchUpdate, config: access('message_update') },
    async ({ actor, params, body }) => {
      const { message_ids, ...change } = body
      const changed = await messageBatches.changeLabels(actor, params.inbox_id, message_ids, readLabelChange(change))
      return messageLabelsBatch(message_ids.length, changed)
    },
  )

  app.get(one, { schema: get, config: access('message_read') }, async (request, reply) => {
    const { actor, params } = request
    const memory = responses.memoryOf(request, reply)
    const found = await messages.getEncoded(actor, params.inbox_id, params.message_id, memory)
    return sendJson(reply, messageJson(found))
  })

  app.patch(one, { schema: update, config: access('message_update') }, async ({ actor, params, body }) => {
    const [changed] = await labels.change(actor, params.inbox_id, [params.message_id], readLabelChange(body))
    return messageLabels(changed!) // one message in, one out
  })

  app.delete(one, { schema: remove, config: access('message_delete') }, async ({ actor, params }, reply) => {
    await messages.delete(actor, params.inbox_id, params.message_id)
    return reply.code(204).send(null)
  })

  app.get(`${one}/raw`, { schema: raw, config: access('message_read') }, async ({ actor, params }) =>
    rawMessage(publicUrl(), await messages.raw(actor, params.inbox_id, params.message_id)),
  )

  app.get(
    `${one}/attachments/:attachment_id`,
    { schema: getAttachment, config: access('message_read') },
    async ({ actor, params }) => {
      const { inbox_id, message_id, attachment_id } = params
      return attachmentLink(publicUrl(), await messages.attachment(actor, inbox_id, message_id, attachment_id))
    },
  )

  app.get(`${one}/deliveries`, { schema: listDeliveries, config: access('message_read') }, async ({ actor, params }) =>
    recipientStatusList(await recipientStatuses.list(actor, params.inbox_id, params.message_id)),
  )
}
