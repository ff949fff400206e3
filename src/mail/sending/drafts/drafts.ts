/**
 * Drafts: messages that are written now and sent later, by a call (send-draft.ts) or at a time (draft-scheduler.ts). A key
 * may be allowed to write drafts and not to send them, so a person can approve what an agent writes.
 *
 * A draft has one current revision, the composed message (draft-content.ts); a change makes another one. The texts and
 * attachments from which it is composed are its parts (draft-parts.ts).
 */
import { MailError } from '../../../errors.ts'
import type { Db, Tx } from '../../../store/handles.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import {
  assertKeyUnchanged,
  isInboxVisible,
  keyOf,
  lockInbox,
  recheckAccess,
  requireInbox,
  requireScope,
} from '../../access/access.ts'
import { type Actor, actorName, type Within } from '../../access/actor.ts'
import type { BodyMemory, RequestMemory } from '../../access/body-memory.ts'
import { parseClientId } from '../../access/client-id.ts'
import type { Page, PageRequest } from '../../access/paging/page-tokens.ts'
import { draftCreated, draftDeleted } from '../../events/log/draft-events.ts'
import type { Downloads } from '../../messages/content/downloads.ts'
import { checkFilterValues, listMail } from '../../messages/mail-list.ts'
import type { Attachment, DownloadLink } from '../../messages/views/message.ts'
import { checkMessage } from '../compose/checked-message.ts'
import type { ThreadedMessage } from '../compose/compose-mail.ts'
import { findSentDraft } from '../idempotency/sent-drafts.ts'
import type { Draft, DraftFilter, DraftItem, NewDraft } from './draft.ts'
import type { PreparedRevision } from './draft-content.ts'
import { draftNotFound, refuseIfSending, requireDraft, requireShown } from './draft-lookup.ts'
import { type PreparedParts, sizeOfParts } from './draft-parts.ts'
import { checkSendAt, requireMaySchedule, scheduleColumns, UNSCHEDULED } from './draft-schedule.ts'
import type { DraftSource, DraftSources } from './draft-source.ts'
import { showDraft, showDraftAttachment, showDraftItems } from './draft-views.ts'
import type { UpdateDraft, UpdateDraftNeeds } from './update-draft.ts'

/**
 * `ref` is the id of a draft or, where the call names an inbox, its client_id. All calls throw not_found for what does not
 * exist or is not in scope, and missing_permission.
 */
export interface Drafts {
  /**
   * Needs `draft_create`; with a source also `message_read`, and with sendAt also `draft_send`.
   *
   * @returns the new draft, or the existing one if the clientId was used before in this inbox
   * @param requestMemory for attachments that are given by URL, which are fetched now, or were uploaded before
   * @throws validation_error, no_recipients, too_many_recipients, message_too_large, system_label, limit_exceeded,
   *   draft_sent, message_rejected, too_many_at_once, too_many_bodies; and
   *   disk_full, unavailable or shutting_down when nothing was stored
   */
  create(
    actor: Actor,
    inbox: string,
    draft: NewDraft,
    memory: BodyMemory,
    requestMemory?: RequestMemory,
  ): Promise<Draft>
  /** Those changed last come first. Needs `draft_read`. @throws too_many_responses */
  list(
    actor: Actor,
    within: Within,
    filter: DraftFilter,
    page: PageRequest,
    memory: BodyMemory,
  ): Promise<Page<DraftItem>>
  /** Needs `draft_read`. @throws too_many_responses */
  get(actor: Actor, within: Within, ref: string, memory: BodyMemory): Promise<Draft>
  /**
   * Returns the id of the inbox of a draft, for calls that name only the draft.
   *
   * @param id of a draft in the actor's scope
   */
  inboxOf(actor: Actor, id: string): Promise<string>
  /** Needs `draft_read`. */
  attachment(actor: Actor, within: Within, ref: string, attachmentId: string): Promise<Attachment & DownloadLink>
  /**
   * Needs `draft_update`; with sendAt, or if the draft is scheduled, also `draft_send`; of a draft of another key it shows the
   * content only with `draft_read`. A change that changes nothing is no event.
   *
   * @throws draft_sending, draft_changed, and as create
   */
  update: UpdateDraft
  /** Needs `draft_delete`. @throws draft_sending */
  delete(actor: Actor, inbox: string, ref: string): Promise<void>
}

interface DraftsNeeds extends UpdateDraftNeeds {
  readonly sources: DraftSources
  readonly updateDraft: UpdateDraft
  readonly downloads: Downloads
}

/** A new draft that a transaction can store. */
interface Prepared {
  readonly request: NewDraft
  readonly message: ThreadedMessage
  readonly source: DraftSource
  readonly parts: PreparedParts
  readonly revision: PreparedRevision
}

export function createDrafts(needs: DraftsNeeds): Drafts {
  const { store, sources, draftParts, resolveAttachments, prepareRevision, downloads, discardBlobs, clock, limits } =
    needs

  return {
    async create(actor, inboxRef, request, memory, requestMemory) {
      const inbox = await requireInbox(store.db, actor, 'draft_create', inboxRef)
      requireMaySchedule(actor, null, request.sendAt)
      checkSendAt(request.sendAt, clock(), limits)
      const clientId = parseClientId(request.clientId)
      // Before any work; the transaction looks again.
      const existing = clientId && (await drafts.getByClientId(store.db, inbox.id, clientId, store.leaseNow()))
      if (existing) {
        requireShown(actor, existing)
        return showWithBodies(existing, memory)
      }
      await refuseIfSent(store.db, inbox.id, clientId, clock())

      const prepared = await prepareNew(actor, inbox, request, requestMemory)
      const discard = (error?: unknown) => discardPrepared(prepared, error)
      try {
        // Shown inside the transaction: nothing may fail after the commit, or the stored content would be discarded, and a
        // repeated call would create another draft.
        const { row, shown } = await store.transaction(async (tx) => {
          const found = await insertOrFind(tx, actor, inbox.id, prepared)
          return { ...found, shown: found.isNew ? await showDraft(tx, found.row, prepared.message) : undefined }
        })
        if (!shown) {
          await discard()
          requireShown(actor, row)
          return await showWithBodies(row, memory)
        }
        if (request.sendAt !== undefined) needs.signalScheduled()
        return shown
      } catch (error) {
        await discard(error)
        throw error
      }
    },

    async list(actor, within, filter, page, memory) {
      checkFilterValues(filter, limits)
      const scope = await requireScope(store.db, actor, 'draft_read', within)
      const { labels = [], before, after } = filter
      const criteria = { scope, labels: labels.map((label) => label.toLowerCase()), before, after }
      return listMail(page, limits, memory, {
        criteria: { list: 'drafts', ...criteria },
        substrings: [],
        scan: (keyset) => drafts.scan(store.db, criteria, keyset),
        listByIds: async (ids) =>
          (await drafts.listByIds(store.db, ids, store.leaseNow())).map((row) => ({
            ...row,
            timestamp: row.updated_at,
          })),
        async recheck() {
          await recheckAccess(store, actor, [])
          await requireScope(store.db, actor, 'draft_read', within)
        },
        show: (rows) => showDraftItems(store.db, rows),
      })
    },

    async get(actor, within, ref, memory) {
      const find = () => requireDraft(store.db, store.leaseNow(), actor, 'draft_read', within, ref)
      const row = await find()
      return showWithBodies(row, memory, async () => {
        await recheckAccess(store, actor, [])
        return find()
      })
    },

    async inboxOf(actor, id) {
      const [row] = await drafts.listByIds(store.db, [id], store.leaseNow())
      const isFound = row && (await isInboxVisible(store.db, keyOf(actor), row.inbox_id))
      // The same error as for an unknown id: it must not reveal that the draft exists.
      if (!isFound) throw draftNotFound()
      return row.inbox_id
    },

    async attachment(actor, within, ref, attachmentId) {
      const row = await requireDraft(store.db, store.leaseNow(), actor, 'draft_read', within, ref)
      const part = await drafts.getAttachment(store.db, row.id, attachmentId)
      if (!part) throw new MailError('not_found', { what: 'Attachment' })
      const shown = showDraftAttachment(part)
      return { ...shown, ...(await downloads.link({ draftId: row.id, attachmentId }, shown)) }
    },

    update: needs.updateDraft,

    async delete(actor, inboxRef, ref) {
      const blobs = await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const inbox = await lockInbox(tx, actor, 'draft_delete', inboxRef)
        const row = await requireDraft(tx, tx.leaseNow, actor, 'draft_delete', { inbox: inbox.id }, ref)
        refuseIfSending(row)
        tx.append(draftDeleted({ actor: actorName(actor), inboxAddress: inbox.address, draft: row }))
        return contents.removeUnused(tx, (await drafts.remove(tx, row.id)) ?? [])
      })
      await discardBlobs(blobs)
    },
  }

  /** The program that repeats its calls would send the message again. */
  async function refuseIfSent(db: Db, inboxId: string, clientId: string | undefined, now: number): Promise<void> {
    if (clientId !== undefined && (await findSentDraft(db, { inboxId, clientId, now }, limits))) {
      throw new MailError('draft_sent', {})
    }
  }

  async function prepareNew(
    actor: Actor,
    inbox: InboxRow,
    request: NewDraft,
    requestMemory: RequestMemory | undefined,
  ): Promise<Prepared> {
    store.checkWritable()
    const source = await sources.find(actor, inbox, request)
    const outgoing = { ...request, subject: request.subject ?? source.subject }
    const options = { isDraft: true, ...(source.defaults && { defaults: source.defaults }) }
    const checked = checkMessage(outgoing, limits, options)
    const attachments = await resolveAttachments(actor, inbox, checked.attachments, requestMemory)
    const message = { ...checked, attachments, ...source.place }
    const revision = await prepareRevision(inbox, message)
    try {
      return { request, message, source, revision, parts: await draftParts.prepare(message) }
    } catch (error) {
      await revision.discard()
      throw error
    }
  }

  async function discardPrepared({ parts, revision }: Prepared, error?: unknown): Promise<void> {
    await parts.discard(error)
    await revision.discard(error)
  }

  async function insertOrFind(
    tx: Tx,
    actor: Actor,
    inboxId: string,
    { request, message, source, parts, revision }: Prepared,
  ): Promise<{ row: drafts.LeasedDraftRow; isNew: boolean }> {
    await assertKeyUnchanged(tx, actor)
    const inbox = await lockInbox(tx, actor, 'draft_create', inboxId)
    const { clientId } = request
    const existing = clientId && (await drafts.getByClientId(tx, inbox.id, clientId, tx.leaseNow))
    if (existing) return { row: existing, isNew: false }
    await refuseIfSent(tx, inbox.id, clientId, tx.now)
    const max = limits.sending.draftsPerInboxMax
    if (await drafts.hasAtLeast(tx, inbox.id, max))
      throw new MailError('limit_exceeded', { what: 'drafts of an inbox', max })

    const { place, kind, columns } = source
    const row = {
      id: revision.draftId,
      organization_id: inbox.organization_id,
      pod_id: inbox.pod_id,
      inbox_id: inbox.id,
      client_id: clientId ?? null,
      kind,
      ...columns,
      thread_id: place?.threadId ?? null,
      in_reply_to: place?.inReplyTo ?? null,
      references_list: place ? JSON.stringify(place.references) : null,
      ...revision.columns,
      revision_id: tx.newId(),
      ...(request.sendAt === undefined ? UNSCHEDULED : scheduleColumns(actor, request.sendAt)),
      created_by: actorName(actor),
      lease_owner: null,
      lease_until: null,
      created_at: tx.now,
      updated_at: tx.now,
    }
    await drafts.insert(tx, row)
    await drafts.setLabels(tx, row.id, message.labels)
    await parts.insert(tx, row.id, 0)
    await revision.insert(tx, row.revision_id)
    tx.append(draftCreated({ actor: actorName(actor), inboxAddress: inbox.address, draft: row }))
    return { row: { ...row, is_leased: 0 }, isNew: true }
  }

  /** @param again finds the draft again, after a wait for memory. Without it, the caller has just had access. */
  async function showWithBodies(
    found: drafts.LeasedDraftRow,
    memory: BodyMemory,
    again?: () => Promise<drafts.LeasedDraftRow>,
  ): Promise<Draft> {
    const bytes = sizeOfParts(await bodiesOf(found.id))
    const hasWaited = bytes > memory.freeBytes && (await memory.reserve(bytes))
    const row = hasWaited && again ? await again() : found
    return showDraft(store.db, row, await draftParts.read(await bodiesOf(row.id)))
  }

  async function bodiesOf(draftId: string) {
    return (await drafts.listParts(store.db, [draftId])).filter((part) => part.kind !== 'attachment')
  }
}
