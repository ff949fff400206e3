/**
 * Changes a draft, and shows it. A change of its content composes another revision before the transaction; if another call has changed
 * the draft meanwhile, this one starts again with the draft as it is then.
 *
 * A key that has not created the draft and may not read drafts gets an outline of it: it may change a schedule, or labels, without
 * getting the content.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import type { DraftPartRow } from '../../../store/schema/draft-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import { assertKeyUnchanged, lockInbox, requireInbox } from '../../access/access.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import type { BodyMemory, RequestMemory } from '../../access/body-memory.ts'
import { draftUpdated } from '../../events/log/draft-events.ts'
import type { DiscardBlobs } from '../../messages/content/discard-blobs.ts'
import { applyLabels, parseUserLabels } from '../../messages/labels/label-rules.ts'
import { type CheckedMessage, checkMessage, checkSizes } from '../compose/checked-message.ts'
import { COMPOSED_COPIES, type ThreadedMessage } from '../compose/compose-mail.ts'
import type { OutgoingAttachment } from '../compose/outgoing.ts'
import type { ResolveAttachments } from '../compose/resolve-attachments.ts'
import type { Draft, DraftChange, DraftOutline } from './draft.ts'
import { asOutgoing, messageOfDraft, type PreparedRevision, type PrepareRevision } from './draft-content.ts'
import { draftNotFound, isShownTo, refuseIfSending, requireDraft } from './draft-lookup.ts'
import { type DraftParts, type PreparedParts, sizeOfParts } from './draft-parts.ts'
import { checkSendAt, requireMaySchedule, scheduleColumns } from './draft-schedule.ts'
import { showDraft, showDraftOutline } from './draft-views.ts'

/** @param requestMemory for attachments that are given by URL, which are fetched now */
export type UpdateDraft = (
  actor: Actor,
  inbox: string,
  ref: string,
  change: DraftChange,
  memory: BodyMemory,
  requestMemory?: RequestMemory,
) => Promise<Draft | DraftOutline>

export interface UpdateDraftNeeds {
  readonly store: Store
  readonly draftParts: DraftParts
  readonly resolveAttachments: ResolveAttachments
  readonly prepareRevision: PrepareRevision
  readonly discardBlobs: DiscardBlobs
  /** Signals the scheduler that a draft was scheduled. */
  readonly signalScheduled: () => void
  readonly clock: () => number
  readonly limits: Limits
}

/** A change whose values are valid. */
interface CheckedChange {
  readonly request: DraftChange
  /** The values of the change; those that it does not give are empty. */
  readonly checked: CheckedMessage
  /** Those to add, with their bytes. */
  readonly added: readonly OutgoingAttachment[]
  readonly labels: { readonly add: readonly string[]; readonly remove: readonly string[] }
}

/** The new content of a draft, and the parts that it replaces. */
interface NewContent {
  readonly revision: PreparedRevision
  readonly parts: PreparedParts
  readonly replaced: readonly DraftPartRow[]
  readonly position: number
}

/** Tries to change a draft, which another call may change between reading and writing. */
const TRIES_MAX = 3

export function createUpdateDraft(needs: UpdateDraftNeeds): UpdateDraft {
  const { store, draftParts, resolveAttachments, prepareRevision, discardBlobs, clock, limits } = needs

  return async function updateDraft(actor, inboxRef, ref, request, memory, requestMemory) {
    checkSendAt(request.sendAt, clock(), limits)
    const valid = checkChange(request, limits)
    const inbox = await requireInbox(store.db, actor, 'draft_update', inboxRef)
    await requireChangeable(actor, inbox, ref) // before anything is fetched; each try reads it again
    const added = await resolveAttachments(actor, inbox, valid.checked.attachments, requestMemory)
    const change = { ...valid, added }
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const updated = await tryUpdate(actor, inboxRef, ref, change, memory)
      if (updated) return updated
    }
    throw new MailError('draft_changed', {})
  }

  /** @returns undefined if another call has changed the content meanwhile */
  async function tryUpdate(
    actor: Actor,
    inboxRef: string,
    ref: string,
    change: CheckedChange,
    memory: BodyMemory,
  ): Promise<Draft | DraftOutline | undefined> {
    const inbox = await requireInbox(store.db, actor, 'draft_update', inboxRef)
    const row = await requireChangeable(actor, inbox, ref)
    refuseIfSending(row)
    requireMaySchedule(actor, row.send_status, change.request.sendAt)
    const parts = await drafts.listParts(store.db, [row.id])
    const isNewContent = changesContent(change.request)
    const { kept, replaced } = divideParts(parts, change.request)
    const loaded = isNewContent ? kept : kept.filter((part) => part.kind !== 'attachment')
    const bytes = sizeOfParts(loaded) * (isNewContent ? COMPOSED_COPIES : 1)
    if (bytes > memory.freeBytes) await memory.reserve(bytes) // the transaction checks access again

    const message = merge(messageOfDraft(row, await draftParts.read(loaded), []), change)
    if (isNewContent) checkSizes(asOutgoing(message), limits, { isDraft: true })
    const content = isNewContent ? await prepareContent() : undefined
    try {
      // Shown inside the transaction: after an error behind the commit, the stored content would be discarded.
      const updated = await store.transaction(async (tx) => {
        const written = await write(tx, actor, row, change, content)
        if (!written) return undefined
        const { row: draft, blobs } = written
        const shown = isShownTo(actor, draft) ? await showDraft(tx, draft, message) : await showDraftOutline(tx, draft)
        return { blobs, shown }
      })
      if (!updated) {
        await discard(content)
        return undefined
      }
      await discardBlobs(updated.blobs)
      if (typeof change.request.sendAt === 'number') needs.signalScheduled()
      return updated.shown
    } catch (error) {
      await discard(content, error)
      throw error
    }

    async function prepareContent(): Promise<NewContent> {
      store.checkWritable()
      const revision = await prepareRevision(inbox, message, row.id)
      try {
        const { text, html } = change.checked
        const added = await draftParts.prepare({
          ...(text !== undefined && { text }),
          ...(html !== undefined && { html }),
          attachments: change.added,
        })
        const position = Math.max(-1, ...parts.map((part) => part.position)) + 1
        return { revision, parts: added, replaced, position }
      } catch (error) {
        await revision.discard()
        throw error
      }
    }
  }

  async function requireChangeable(actor: Actor, inbox: InboxRow, ref: string): Promise<drafts.LeasedDraftRow> {
    return requireDraft(store.db, store.leaseNow(), actor, 'draft_update', { inbox: inbox.id }, ref)
  }

  async function write(
    tx: Tx,
    actor: Actor,
    seen: drafts.LeasedDraftRow,
    change: CheckedChange,
    content: NewContent | undefined,
  ): Promise<{ row: drafts.LeasedDraftRow; blobs: string[] } | undefined> {
    await assertKeyUnchanged(tx, actor)
    const inbox = await lockInbox(tx, actor, 'draft_update', seen.inbox_id)
    const scope = { organizationId: inbox.organization_id, inboxId: inbox.id }
    const row = await drafts.get(tx, scope, seen.id, tx.leaseNow)
    if (!row) throw draftNotFound()
    refuseIfSending(row)
    const { sendAt } = change.request
    requireMaySchedule(actor, row.send_status, sendAt)
    if (row.revision_id !== seen.revision_id) return undefined

    const isRelabelled = await changeLabels(tx, row.id, change)
    const isRescheduled = sendAt !== undefined && (sendAt !== null || row.send_status !== null)
    if (!isRelabelled && !isRescheduled && !content) return { row, blobs: [] }
    const unused: string[] = []
    const revisionId = content ? tx.newId() : row.revision_id
    if (content) {
      unused.push(...(await drafts.removeParts(tx, idsOf(content.replaced))))
      await content.parts.insert(tx, row.id, content.position)
      await content.revision.insert(tx, revisionId)
      unused.push(...(await drafts.removeReplacedRevisions(tx, row.id, revisionId)))
    }
    const columns = {
      ...(content && { ...content.revision.columns, revision_id: revisionId }),
      ...(isRescheduled && scheduleColumns(actor, sendAt)),
    }
    await drafts.update(tx, row.id, columns)
    const draft = { ...row, ...columns, is_leased: 0, updated_at: tx.now }
    const about = { actor: actorName(actor), inboxAddress: inbox.address, draft }
    tx.append(draftUpdated({ ...about, previousRevisionId: row.revision_id }))
    return {
      row: draft,
      blobs: await contents.removeUnused(tx, unused),
    }
  }

  /** @returns whether they are others now */
  async function changeLabels(tx: Tx, draftId: string, { labels: { add, remove } }: CheckedChange): Promise<boolean> {
    if (add.length + remove.length === 0) return false
    const current = (await drafts.labelsOf(tx, [draftId])).get(draftId) ?? []
    const { added, removed, labels } = applyLabels(current, { add, remove })
    if (added.length + removed.length === 0) return false
    const max = limits.messages.labelsPerMessageMax
    if (labels.length > max && add.length > 0) {
      throw new MailError('validation_error', {
        detail: `A draft can have at most ${max} labels`,
        path: ['add_labels'],
      })
    }
    await drafts.setLabels(tx, draftId, labels)
    return true
  }

  async function discard(content: NewContent | undefined, error?: unknown): Promise<void> {
    await content?.parts.discard(error)
    await content?.revision.discard(error)
  }
}

/** @throws validation_error, too_many_recipients, system_label */
function checkChange(request: DraftChange, limits: Limits): Omit<CheckedChange, 'added'> {
  const given = {
    to: request.to ?? [],
    cc: request.cc ?? [],
    bcc: request.bcc ?? [],
    replyTo: request.replyTo ?? [],
    subject: request.subject ?? undefined,
    text: request.text ?? undefined,
    html: request.html ?? undefined,
    attachments: request.addAttachments,
  }
  return {
    request,
    checked: checkMessage(given, limits, { isDraft: true }),
    labels: {
      add: parseUserLabels(request.addLabels ?? [], limits),
      remove: parseUserLabels(request.removeLabels ?? [], limits),
    },
  }
}

/** Whether a change makes another revision; labels and schedule are not part of the message. */
function changesContent({ addAttachments = [], removeAttachments = [], ...request }: DraftChange): boolean {
  const { to, cc, bcc, replyTo, subject, text, html } = request
  const isGiven = [to, cc, bcc, replyTo, subject, text, html].some((value) => value !== undefined)
  return isGiven || addAttachments.length + removeAttachments.length > 0
}

/** @throws not_found for an attachment that the draft does not have */
function divideParts(
  parts: readonly DraftPartRow[],
  { text, html, removeAttachments = [] }: DraftChange,
): { kept: DraftPartRow[]; replaced: DraftPartRow[] } {
  const removed = new Set(removeAttachments)
  const attachmentIds = new Set(idsOf(parts.filter((part) => part.kind === 'attachment')))
  if (removeAttachments.some((id) => !attachmentIds.has(id))) throw new MailError('not_found', { what: 'Attachment' })
  const isReplaced = ({ id, kind }: DraftPartRow) =>
    removed.has(id) || (kind === 'text' && text !== undefined) || (kind === 'html' && html !== undefined)
  return { kept: parts.filter((part) => !isReplaced(part)), replaced: parts.filter(isReplaced) }
}

/** @param current without the parts that the change replaces */
function merge(current: ThreadedMessage, { request, checked, added }: CheckedChange): ThreadedMessage {
  const { subject: before, ...rest } = current
  const subject = request.subject === undefined ? before : checked.subject
  return {
    ...rest,
    ...(request.to !== undefined && { to: checked.to }),
    ...(request.cc !== undefined && { cc: checked.cc }),
    ...(request.bcc !== undefined && { bcc: checked.bcc }),
    ...(request.replyTo !== undefined && { replyTo: checked.replyTo }),
    ...(subject !== undefined && { subject }),
    ...(checked.text !== undefined && { text: checked.text }),
    ...(checked.html !== undefined && { html: checked.html }),
    attachments: [...current.attachments, ...added],
  }
}

function idsOf(parts: readonly DraftPartRow[]): string[] {
  return parts.map(({ id }) => id)
}
