/** Draft routes: a draft is created below its inbox, and then named alone. Sending it makes a message of it. */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { Log } from '../../../../../log.ts'
import type { Messages } from '../../../../../mail/messages/messages.ts'
import type { Drafts } from '../../../../../mail/sending/drafts/drafts.ts'
import type { SendDraft } from '../../../../../mail/sending/drafts/send-draft.ts'
import type { InboxOfSend } from '../../../../../mail/sending/idempotency/repeated-send.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { readAttachmentId, readId, readInboxId } from '../prefixed-ids.ts'
import {
  CreateDraft,
  draft,
  draftItem,
  readDraftChange,
  readNewDraft,
  SendDraftBody,
  UpdateDraft,
} from '../wire/agentpost-draft-wire.ts'
import { listOf, pageQuery, readPage } from '../wire/agentpost-shape-wire.ts'
import { answerSent, idempotencyKeyOf } from './agentpost-messages.ts'

interface DraftNeeds extends HttpContext {
  readonly drafts: Drafts
  readonly sendDraft: SendDraft
  readonly inboxOfSend: InboxOfSend
  readonly messages: Messages
  readonly limits: Limits
  readonly log: Log
}

const all = '/inboxes/:inbox_id/drafts'
const one = '/drafts/:draft_id'
const inboxParams = Type.Object({ inbox_id: Type.String() })
const params = Type.Object({ draft_id: Type.String() })

export function draftRoutes(app: HttpApp, needs: DraftNeeds): void {
  const { drafts, sendDraft, inboxOfSend, limits, responses, bodies } = needs
  const bodyLimit = limits.http.sendBodyBytesMax

  const list = { schema: { params: inboxParams, querystring: Type.Object(pageQuery) }, config: access('draft_read') }
  app.get(all, list, async (request, reply) => {
    const { actor, params, query } = request
    const memory = responses.memoryOf(request, reply)
    return listOf(
      await drafts.list(actor, { inbox: readInboxId(params.inbox_id) }, {}, readPage(query), memory),
      draftItem,
    )
  })

  const create = access('draft_create', { conditional: ['message_read', 'draft_read'] })
  app.post(
    all,
    { schema: { params: inboxParams, body: CreateDraft }, bodyLimit, config: create },
    async (request, reply) => {
      const { actor, params, body } = request
      const memory = responses.memoryOf(request, reply)
      const inbox = readInboxId(params.inbox_id)
      reply.code(201)
      return draft(await drafts.create(actor, inbox, readNewDraft(body), memory, bodies.memoryOf(request)))
    },
  )

  app.get(one, { schema: { params }, config: access('draft_read') }, async (request, reply) => {
    const memory = responses.memoryOf(request, reply)
    return draft(await drafts.get(request.actor, {}, readId('drf', request.params.draft_id), memory))
  })

  const update = access('draft_update', { conditional: ['draft_send', 'draft_read'] })
  app.patch(one, { schema: { params, body: UpdateDraft }, bodyLimit, config: update }, async (request, reply) => {
    const { actor, params, body } = request
    const id = readId('drf', params.draft_id)
    const removed = body.remove_attachments?.map((each) => readAttachmentId(each).attachmentId)
    const change = readDraftChange(body, removed)
    const memory = responses.composingMemoryOf(request, reply)
    return draft(
      await drafts.update(actor, await drafts.inboxOf(actor, id), id, change, memory, bodies.memoryOf(request)),
    )
  })

  app.delete(one, { schema: { params }, config: access('draft_delete') }, async ({ actor, params }, reply) => {
    const id = readId('drf', params.draft_id)
    await drafts.delete(actor, await drafts.inboxOf(actor, id), id)
    return reply.code(204).send(null)
  })

  const send = access('draft_send', { conditional: ['message_read'] })
  app.post(`${one}/send`, { schema: { params, body: SendDraftBody }, config: send }, async (request, reply) => {
    const { actor, params } = request
    const id = readId('drf', params.draft_id)
    const idempotencyKey = idempotencyKeyOf(request)
    const inbox = await inboxOfSend(actor, idempotencyKey, () => drafts.inboxOf(actor, id))
    const memory = responses.composingMemoryOf(request, reply)
    const sent = await sendDraft.send(actor, inbox, id, {}, memory, { idempotencyKey })
    return answerSent(request, reply, { sent, mail: {} }, needs)
  })
}
