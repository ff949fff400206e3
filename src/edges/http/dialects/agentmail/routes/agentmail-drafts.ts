/**
 * Draft routes: lists, drafts and attachments for the whole scope, a pod and an inbox; changes and sending for an inbox.
 * The lists serve people who approve what agents write.
 */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { Drafts } from '../../../../../mail/sending/drafts/drafts.ts'
import type { SendDraft } from '../../../../../mail/sending/drafts/send-draft.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { mailFilters, misnamedLabel, pageQuery, readMailFilter, readPage, timeFilters } from '../query-parameters.ts'
import { paramsOf, type ScopeRoute, scopeRoutes, withinOf } from '../scope-routes.ts'
import { AttachmentLink, attachmentLink } from '../wire/attachment-wire.ts'
import {
  CreateDraftBody,
  Draft,
  DraftList,
  draft,
  draftList,
  readDraftChange,
  readNewDraft,
  readSendDraft,
  SendDraftBody,
  UpdateDraftBody,
} from '../wire/draft-wire.ts'
import { outgoingRules, SentMessage, sendErrors, sentMessage } from '../wire/outgoing-wire.ts'
import { nothing, ok } from '../wire/shape-wire.ts'
import { idempotencyKeyOf, isHeld, sendHeaders } from './send-headers.ts'

interface DraftNeeds extends HttpContext {
  readonly drafts: Drafts
  readonly sendDraft: SendDraft
  readonly limits: Limits
}

const tags = ['Drafts']
const listQuery = Type.Object({ ...pageQuery, ...timeFilters, labels: mailFilters.labels }, { misnamed: misnamedLabel })

export function draftRoutes(app: HttpApp, needs: DraftNeeds): void {
  for (const scopeRoute of Object.values(scopeRoutes)) addReads(app, scopeRoute, needs)
  addChanges(app, needs)
}

function addReads(app: HttpApp, scopeRoute: ScopeRoute, { drafts, publicUrl, responses }: DraftNeeds): void {
  const all = `${scopeRoute.path}/drafts`
  const one = `${all}/:draft_id`
  const id = { draft_id: Type.String({ description: 'Id or client_id.' }) }
  const params = paramsOf<{ draft_id: string }>(scopeRoute, id)
  const config = access('draft_read', scopeRoute)

  const list = {
    tags,
    summary: 'List drafts, those changed last first',
    params: paramsOf(scopeRoute, {}),
    querystring: listQuery,
    response: ok(DraftList),
  }
  app.get(all, { schema: list, config }, async (request, reply) => {
    const { actor, params, query } = request
    const { labels, before, after } = readMailFilter(query)
    const memory = responses.memoryOf(request, reply)
    return draftList(await drafts.list(actor, withinOf(params), { labels, before, after }, readPage(query), memory))
  })

  const get = { tags, summary: 'Get a draft with its bodies', params, response: ok(Draft) }
  app.get(one, { schema: get, config }, async (request, reply) => {
    const { actor, params } = request
    const memory = responses.memoryOf(request, reply)
    return draft(await drafts.get(actor, withinOf(params), params.draft_id, memory))
  })

  const getAttachment = {
    tags,
    summary: 'Get a link to an attachment of a draft',
    params: paramsOf<{ draft_id: string; attachment_id: string }>(scopeRoute, {
      ...id,
      attachment_id: Type.String({ description: 'Id in the list of attachments.' }),
    }),
    response: ok(AttachmentLink),
  }
  app.get(`${one}/attachments/:attachment_id`, { schema: getAttachment, config }, async ({ actor, params }) => {
    const { draft_id, attachment_id } = params
    return attachmentLink(publicUrl(), await drafts.attachment(actor, withinOf(params), draft_id, attachment_id))
  })
}

function addChanges(app: HttpApp, { drafts, sendDraft, bodies, responses, limits }: DraftNeeds): void {
  const all = '/inboxes/:inbox_id/drafts'
  const one = `${all}/:draft_id`
  const inboxParams = Type.Object({ inbox_id: Type.String({ description: 'Address.' }) })
  const params = Type.Object({ ...inboxParams.properties, draft_id: Type.String({ description: 'Id or client_id.' }) })
  const bodyLimit = limits.http.sendBodyBytesMax
  const scheduling = ['draft_send'] as const

  const changeErrors = [
    'not_implemented',
    'draft_sending',
    'draft_changed',
    'message_too_large',
    'too_many_recipients',
    'parse_queue_full',
  ] as const
  const rules = [...outgoingRules, 'send_at can be at most … days ahead', 'A draft can have at most … labels']
  const create = {
    tags,
    summary: 'Create a draft',
    params: inboxParams,
    body: CreateDraftBody,
    response: ok(Draft),
    errors: [...changeErrors, 'draft_sent', 'limit_exceeded', 'automatic_loop', 'no_recipients'] as const,
    rules: [
      ...rules,
      'in_reply_to and forward_of cannot be combined: a draft is a reply or a forward',
      'reply_all needs in_reply_to',
      'reply_all cannot be combined with to, cc or bcc',
    ],
  }
  app.post(
    all,
    {
      schema: create,
      bodyLimit,
      config: access('draft_create', { conditional: [...scheduling, 'message_read', 'draft_read'] }),
    },
    async (request, reply) => {
      const { actor, params, body } = request
      const memory = responses.memoryOf(request, reply)
      const given = readNewDraft(body)
      return draft(await drafts.create(actor, params.inbox_id, given, memory, bodies.memoryOf(request)))
    },
  )

  const update = {
    tags,
    summary: 'Change or schedule a draft',
    params,
    body: UpdateDraftBody,
    response: ok(Draft),
    errors: changeErrors,
    rules,
  }
  app.patch(
    one,
    { schema: update, bodyLimit, config: access('draft_update', { conditional: [...scheduling, 'draft_read'] }) },
    async (request, reply) => {
      const { actor, params, body } = request
      const memory = responses.composingMemoryOf(request, reply)
      const change = readDraftChange(body)
      return draft(
        await drafts.update(actor, params.inbox_id, params.draft_id, change, memory, bodies.memoryOf(request)),
      )
    },
  )

  const remove = { tags, summary: 'Delete a draft', params, response: nothing, errors: ['draft_sending'] as const }
  app.delete(one, { schema: remove, config: access('draft_delete') }, async ({ actor, params }, reply) => {
    await drafts.delete(actor, params.inbox_id, params.draft_id)
    return reply.code(204).send(null)
  })

  const send = {
    tags,
    summary: 'Send a draft, which becomes a message',
    params,
    body: SendDraftBody,
    response: ok(SentMessage),
    headerFields: sendHeaders,
    errors: [...sendErrors, 'draft_sending', 'draft_changed'] as const,
    rules: [...outgoingRules, 'A draft waits until it is sent…'],
  }
  app.post(
    `${one}/send`,
    { schema: send, config: access('draft_send', { conditional: ['message_read'] }) },
    async (request, reply) => {
      const { actor, params, body } = request
      const { inbox_id, draft_id } = params
      const memory = responses.composingMemoryOf(request, reply)
      const options = { idempotencyKey: idempotencyKeyOf(request), isHeld: isHeld(request, body?.hold) }
      const labels = readSendDraft(body)
      return sentMessage(await sendDraft.send(actor, inbox_id, draft_id, labels, memory, options))
    },
  )
}
