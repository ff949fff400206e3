/**
 * Brings the mailboxes of an inbox up to date, when a client looks: reads the events of the inbox after the last one that
 * was seen, gives new entries their UIDs in the order of these events, and writes tombstones for those that left. So a
 * message that arrives costs nothing here, and an inbox that no mail program opens has no entries.
 *
 * All messages are compared with the entries instead when an inbox is opened for the first time, when retention has purged
 * events that were not seen, and when a label that messages may have gets or loses a mailbox. Both are done in steps of one short transaction
 * each, under the lock of the inbox; every node can do the next step.
 *
 * Crash: the next step continues at the state of the last one.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { MailboxRow, MailboxStateRow } from '../../../store/schema/mailbox-rows.ts'
import * as events from '../../../store/tables/events-table.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import * as mailboxesTable from '../../../store/tables/mailboxes-table.ts'
import * as placedMessages from '../../../store/tables/placed-messages-table.ts'
import { type DraftPayload, isDraftEventType } from '../../events/log/draft-events.ts'
import type { MailboxesChangedPayload, MessagesRemovedPayload } from '../../events/log/mailbox-events.ts'
import { createProjection, FIXED_MAILBOXES, type Projection } from '../projection/mailbox-projection.ts'
import { compareDrafts, compareRevisions } from './compare-drafts.ts'
import { compareMessages, removeEntriesOf } from './compare-messages.ts'
import { EntryChanges } from './entry-changes.ts'

/** The mailboxes after a step. */
export interface CaughtUp {
  /** false: call it again. */
  readonly isComplete: boolean
  readonly seenSeq: number
  /** Events up to this one were purged, and tombstones of changes up to it may be. */
  readonly floorSeq: number
  readonly mailboxes: readonly MailboxRow[]
  readonly projection: Projection
}

/** Runs one step. The caller has locked the inbox. */
export async function catchUp(tx: Tx, inboxId: string, limits: Limits): Promise<CaughtUp> {
  const log = await events.requireLog(tx)
  let state = (await mailboxesTable.getState(tx, inboxId)) ?? (await createState(tx, inboxId))
  // Events that were not seen may have been purged.
  if (state.compare_seq === null && state.seen_seq < log.floor_seq) {
    state = await beginComparison(tx, state, log.last_seq)
  }
  const mailboxes = await mailboxesTable.listByInbox(tx, inboxId)
  const projection = createProjection(mailboxes)
  const step = { tx, inboxId, mailboxes, projection, floorSeq: log.floor_seq, limits }
  const found = { mailboxes, projection, floorSeq: log.floor_seq }
  if (state.compare_seq !== null) {
    const isCompared = await compareNext(step, state, state.compare_seq)
    return { ...found, isComplete: false, seenSeq: isCompared ? state.compare_seq : state.seen_seq }
  }
  const seenSeq = await followEvents(step, state, log.last_seq)
  return { ...found, isComplete: seenSeq >= log.last_seq, seenSeq }
}

/**
 * @param compareSeq the last event. Entries that the comparison changes get this MODSEQ, which is higher than that of all
 *   changes before
 */
async function beginComparison(tx: Tx, state: MailboxStateRow, compareSeq: number): Promise<MailboxStateRow> {
  const change = { compare_seq: compareSeq, compared_number: 0 }
  await mailboxesTable.updateState(tx, state.inbox_id, change)
  return { ...state, ...change }
}

interface Step {
  readonly tx: Tx
  readonly inboxId: string
  readonly mailboxes: readonly MailboxRow[]
  readonly projection: Projection
  /** Events up to this one were purged. */
  readonly floorSeq: number
  readonly limits: Limits
}

async function createState(tx: Tx, inboxId: string): Promise<MailboxStateRow> {
  const { last_seq } = await events.requireLog(tx)
  const validity = Math.floor(tx.now / 1_000)
  const state = {
    inbox_id: inboxId,
    seen_seq: 0,
    compare_seq: last_seq,
    compared_number: 0,
    last_uid_validity: validity,
  }
  await mailboxesTable.insertState(tx, state)
  const rows = FIXED_MAILBOXES.map(({ kind, name }) => ({
    id: tx.newId(),
    inbox_id: inboxId,
    kind,
    name,
    label: null,
    renamed_from: null,
    is_deleting: 0,
    is_subscribed: 1,
    uid_validity: validity,
    uid_next: 1,
    created_at: tx.now,
  }))
  await mailboxesTable.insertAll(tx, rows)
  return state
}

/** Compares some messages; after the last one, also what has no message any more. @returns whether all were compared */
async function compareNext(step: Step, state: MailboxStateRow, compareSeq: number): Promise<boolean> {
  const { tx, inboxId, mailboxes, projection, limits } = step
  const limit = limits.mailboxes.compareMessages
  const rows = await placedMessages.listPlacedAfter(tx, inboxId, state.compared_number, limit)
  const changes = new EntryChanges(mailboxes)
  await compareMessages(tx, rows, () => compareSeq, projection, changes)
  const isLast = rows.length < limit
  if (isLast) {
    // Nothing can be missing when there were no entries before.
    if (state.seen_seq > 0) await removeOrphans(step, compareSeq, changes)
    await compareDrafts(tx, draftsOf(mailboxes), compareSeq, projection, changes)
  }
  await changes.write(tx, step.floorSeq)
  await mailboxesTable.updateState(
    tx,
    inboxId,
    isLast ? { seen_seq: compareSeq, compare_seq: null } : { compared_number: rows.at(-1)!.number },
  )
  return isLast
}

async function removeOrphans({ tx, mailboxes, limits }: Step, modseq: number, changes: EntryChanges): Promise<void> {
  const limit = limits.mailboxes.compareMessages
  for (const mailbox of mailboxes) {
    if (mailbox.kind === 'drafts') continue
    for (let afterUid = 0; ; ) {
      const entries = await entriesTable.listWithoutMessage(tx, mailbox.id, afterUid, limit)
      for (const { uid, isGone } of entries) if (isGone) changes.remove({ mailbox_id: mailbox.id, uid }, modseq)
      if (entries.length < limit) break
      afterUid = entries.at(-1)!.uid
    }
  }
}

/** @returns the event up to which the entries are right */
async function followEvents(step: Step, state: MailboxStateRow, lastSeq: number): Promise<number> {
  const { tx, inboxId, mailboxes, limits } = step
  const seenSeq = state.seen_seq
  const limit = limits.mailboxes.catchUpEvents
  const range = { inboxId, afterSeq: seenSeq, throughSeq: lastSeq }
  const rows = await events.listForMailboxes(tx, range, limit)
  const throughSeq = rows.length < limit ? lastSeq : rows.at(-1)!.seq
  if (rows.some(isComparing)) {
    await beginComparison(tx, state, lastSeq)
    return seenSeq
  }
  if (rows.length > 0) {
    const changes = new EntryChanges(mailboxes)
    await applyEvents(step, rows, changes)
    await changes.write(tx, step.floorSeq)
  }
  if (throughSeq > seenSeq) await mailboxesTable.updateState(tx, inboxId, { seen_seq: throughSeq })
  return throughSeq
}

function isComparing({ type, payload }: events.MailboxEvent): boolean {
  return type === 'mailboxes.changed' && !(JSON.parse(payload) as MailboxesChangedPayload).isUnused
}

async function applyEvents(step: Step, rows: readonly events.MailboxEvent[], changes: EntryChanges): Promise<void> {
  const { tx, inboxId, mailboxes, projection } = step
  /** Messages with their last event, in the order of these events. */
  const changed = new Map<string, number>()
  const removed = new Map<string, number>()
  /** Revisions of drafts, as `changed`. */
  const revisions = new Map<string, number>()
  for (const { seq, type, message_id, payload } of rows) {
    if (type === 'messages.removed') {
      for (const id of (JSON.parse(payload) as MessagesRemovedPayload).messageIds) removed.set(id, seq)
    } else if (type === 'message.deleted' || type === 'message.expired') removed.set(message_id!, seq)
    else if (isDraftEventType(type)) {
      for (const id of (JSON.parse(payload) as DraftPayload).revisionIds) {
        revisions.delete(id)
        revisions.set(id, seq)
      }
    } else if (message_id !== null) {
      changed.delete(message_id)
      changed.set(message_id, seq)
    }
  }

  const ids = [...changed.keys()]
  const found = new Map((await placedMessages.listPlacedByIds(tx, inboxId, ids)).map((row) => [row.id, row]))
  const inOrder = ids.flatMap((id) => found.get(id) ?? [])
  await compareMessages(tx, inOrder, ({ id }) => changed.get(id)!, projection, changes)
  await removeEntriesOf(tx, removed, changes)
  if (revisions.size > 0) await compareRevisions(tx, draftsOf(mailboxes), revisions, projection, changes)
}

function draftsOf(mailboxes: readonly MailboxRow[]): MailboxRow {
  return mailboxes.find(({ kind }) => kind === 'drafts')!
}
