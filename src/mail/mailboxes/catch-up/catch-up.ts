/**
 * Brings the mailboxes of an inbox up to date, when a client looks: reads the events of the inbox after the last one that
 * was seen, gives new entries their UIDs in the order of these events, and writes tombstones for those that left. So a
 * message that arrives costs nothing here, and an inbox that no mail program opens has no entries.
 *
 * All messages and drafts are compared with the entries instead when an inbox is opened for the first time, when retention has purged
 * events that were not seen, and when a label that messages may have gets or loses a mailbox. Both are done in steps of one short transaction
 * each, under the lock of the inbox; every node can do the next step.
 *
 * Crash: the next step continues at the state of the last one.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { MailboxRow, MailboxStateRow } from '../../../store/schema/mailbox-rows.ts'
import { listRevisionsAfter } from '../../../store/tables/drafts-table.ts'
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
  const found = { mailboxes, projection }
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
  const change = { compare_seq: compareSeq, ...COMPARISON_START }
  await mailboxesTable.updateState(tx, state.inbox_id, change)
  return { ...state, ...change }
}

/** How far a comparison has come. */
type ComparisonPosition = Pick<MailboxStateRow, 'compare_phase' | 'compared_id' | 'compared_number'>

const COMPARISON_START: ComparisonPosition = { compare_phase: 'messages', compared_id: '', compared_number: 0 }

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
    ...COMPARISON_START,
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

/**
 * Compares some messages with their entries, then entries with their messages or drafts, then drafts with their entries. What changes meanwhile has events
 * after `compareSeq`.
 *
 * @returns whether all were compared
 */
async function compareNext(step: Step, state: MailboxStateRow, compareSeq: number): Promise<boolean> {
  const { tx, inboxId, mailboxes, limits } = step
  const changes = new EntryChanges(mailboxes)
  const comparison: Comparison = { step, compareSeq, changes, isFirst: state.seen_seq === 0 }
  let position: ComparisonPosition | undefined = state
  for (let left = limits.mailboxes.compareMessages; position && left > 0; ) {
    const compared: Compared = await comparePhase(comparison, position, left)
    position = compared.next
    left -= Math.max(1, compared.rows)
  }
  await changes.write(tx, step.floorSeq)
  const { compare_phase, compared_id, compared_number } = position ?? COMPARISON_START
  const next = { compare_phase, compared_id, compared_number }
  await mailboxesTable.updateState(tx, inboxId, position ? next : { ...next, seen_seq: compareSeq, compare_seq: null })
  return position === undefined
}

interface Comparison {
  readonly step: Step
  readonly compareSeq: number
  readonly changes: EntryChanges
  /** There were no entries before. */
  readonly isFirst: boolean
}

interface Compared {
  readonly rows: number
  /** undefined: all were compared. */
  readonly next: ComparisonPosition | undefined
}

function comparePhase(comparison: Comparison, position: ComparisonPosition, limit: number): Promise<Compared> {
  switch (position.compare_phase) {
    case 'messages':
      return compareSomeMessages(comparison, position, limit)
    case 'entries':
      return compareSomeEntries(comparison, position, limit)
    case 'drafts':
      return compareSomeDrafts(comparison, position, limit)
  }
}

async function compareSomeMessages(
  { step, compareSeq, changes, isFirst }: Comparison,
  { compared_number }: ComparisonPosition,
  limit: number,
): Promise<Compared> {
  const { tx, inboxId, projection } = step
  const rows = await placedMessages.listPlacedAfter(tx, inboxId, compared_number, limit)
  await compareMessages(tx, rows, () => compareSeq, projection, changes)
  const next =
    rows.length === limit
      ? { ...COMPARISON_START, compared_number: rows.at(-1)!.number }
      : // Nothing can be missing when there were no entries before.
        { ...COMPARISON_START, compare_phase: isFirst ? ('drafts' as const) : ('entries' as const) }
  return { rows: rows.length, next }
}

/** Removes entries that have no message or draft any more. */
async function compareSomeEntries(
  { step, compareSeq, changes }: Comparison,
  { compared_id, compared_number }: ComparisonPosition,
  limit: number,
): Promise<Compared> {
  const { tx, mailboxes } = step
  // In the order of their ids. One that was begun may have been deleted meanwhile.
  const [mailbox, following] = mailboxes.filter(({ id }) => id >= compared_id)
  if (!mailbox) return { rows: 0, next: { ...COMPARISON_START, compare_phase: 'drafts' } }
  const list = mailbox.kind === 'drafts' ? entriesTable.listWithDraft : entriesTable.listWithMessage
  const entries = await list(tx, mailbox.id, mailbox.id === compared_id ? compared_number : 0, limit)
  for (const { uid, isGone } of entries) if (isGone) changes.remove({ mailbox_id: mailbox.id, uid }, compareSeq)
  const next: ComparisonPosition =
    entries.length === limit
      ? { compare_phase: 'entries', compared_id: mailbox.id, compared_number: entries.at(-1)!.uid }
      : following
        ? { compare_phase: 'entries', compared_id: following.id, compared_number: 0 }
        : { ...COMPARISON_START, compare_phase: 'drafts' }
  return { rows: entries.length, next }
}

async function compareSomeDrafts(
  { step, compareSeq, changes }: Comparison,
  { compared_id }: ComparisonPosition,
  limit: number,
): Promise<Compared> {
  const { tx, inboxId, mailboxes, projection } = step
  const rows = await listRevisionsAfter(tx, inboxId, compared_id, limit)
  await compareDrafts(tx, draftsOf(mailboxes), rows, compareSeq, projection, changes)
  const isLast = rows.length < limit
  return {
    rows: rows.length,
    next: isLast ? undefined : { ...COMPARISON_START, compare_phase: 'drafts', compared_id: rows.at(-1)!.id },
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
