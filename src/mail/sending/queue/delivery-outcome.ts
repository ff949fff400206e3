/**
 * Records a delivery attempt in one transaction: each recipient's state and history, the message's labels, the events,
 * the suppression of addresses that do not exist, and the notice to the sender. Attempts that end at the same time may share it
 * (docs/adr/0087).
 *
 * An outcome counts only while the worker still has the lease. After the lease expired another worker may deliver, and
 * its outcome counts.
 */
import type { Limits } from '../../../config/limits.ts'
import { findRelayId } from '../../../formats/ids.ts'
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type {
  RecipientHistoryRow,
  RecipientRow,
  RecipientState,
  SubmissionRow,
} from '../../../store/schema/sending-rows.ts'
import { RUN_LATER, type Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import type { StoredMessageRow } from '../../../store/tables/messages-table.ts'
import { expireCode } from '../../../store/tables/sign-ups-table.ts'
import * as submissions from '../../../store/tables/submissions-table.ts'
import {
  type EventMessage,
  messageBounced,
  messageDelayed,
  messageDelivered,
  messageHeld,
  messageRejected,
} from '../../events/log/message-events.ts'
import type { DiscardBlobs } from '../../messages/content/discard-blobs.ts'
import { changeKnownLabels } from '../../messages/labels/labels.ts'
import { addRelayId } from '../../messages/threads/threading.ts'
import { eventMessage } from '../../messages/views/event-message.ts'
import type { Outcome } from '../targets/delivery-target.ts'
import { ageStartOf, type BounceNotices, statusOf } from './bounce-notices.ts'
import { isRetriedTogether, retryDelayMs } from './delivery-retry.ts'
import { isFound, type KnownRows, leaseKey, lockAndRead, messageOf } from './outcome-rows.ts'
import { isSuppressing, suppressBounced } from './suppress-bounced.ts'

/** One attempt for some recipients of one submission, and its outcome for each. */
export interface EndedDelivery {
  readonly submission: SubmissionRow
  readonly recipients: readonly { readonly row: RecipientRow; readonly outcome: Outcome }[]
  /** Name of the target. */
  readonly target: string
  /** Worker that had the lease. */
  readonly owner: string
  readonly startedAt: number
}

/** The state of the recipients after an attempt. */
export interface RecordedOutcomes {
  /** As the API shows it; undefined for mail of Martlet itself, and once the message or its inbox is deleted. */
  readonly messageId?: string | undefined
  /** In the order of the attempt; undefined: the lease was lost, so the outcome does not count. */
  readonly changes: readonly ({ readonly state: RecipientState; readonly nextAttemptAt: number } | undefined)[]
}

/** @returns what was recorded, for the log */
export type RecordOutcome = (attempted: EndedDelivery) => Promise<RecordedOutcomes>

interface OutcomeNeeds {
  readonly store: Store
  readonly discardBlobs: DiscardBlobs
  readonly notices: BounceNotices
  readonly limits: Limits
  /** Random, 0 to 1. */
  readonly spread: () => number
}

const ACTOR = 'system:queue'

/** The event to append for a recipient; `delayed` only the first time. */
type RecipientEvent = 'delivered' | 'held' | 'delayed' | 'bounced' | 'rejected'

interface Affected {
  readonly row: RecipientRow
  readonly outcome: Outcome
  readonly nextAttemptAt: number
}

/** The changes to a recipient after an outcome. */
interface Change {
  readonly state: RecipientState
  readonly nextAttemptAt: number
  readonly event?: RecipientEvent
  /** The sender gets a delay notice. */
  readonly isLate?: boolean
}

/** An attempt to record, with the beginning of its message if it needs a notice. */
interface ToRecord {
  readonly attempted: EndedDelivery
  readonly head: Buffer
}

interface Recorded {
  readonly outcomes: RecordedOutcomes
  /** Keys of blobs to discard after the commit. */
  readonly blobs: readonly string[]
}

/** The rows that an attempt writes, and what follows from them. */
interface Changes {
  readonly changes: RecordedOutcomes['changes'][number][]
  readonly rows: ReturnType<typeof outcomeRow>[]
  readonly history: RecipientHistoryRow[]
  readonly byEvent: Map<RecipientEvent, Affected[]>
  readonly late: Affected[]
  readonly suppressed: { readonly address: string; readonly outcome: Outcome }[]
}

export function createRecordOutcome(needs: OutcomeNeeds): RecordOutcome {
  const { store, discardBlobs, notices, limits, spread } = needs
  const recordTogether = store.batched<ToRecord, Recorded>({
    run: recordBatch,
    sizeBytes: ({ attempted }) => attempted.recipients.length * limits.delivery.replyCharsMax,
  })

  return async function recordOutcome(attempted) {
    const isAnyFailed = attempted.recipients.some(({ outcome }) => outcome.kind.startsWith('failed'))
    const head = isAnyFailed ? await notices.readHead(attempted.submission) : Buffer.alloc(0)
    const one = { attempted, head }
    const { blobs, outcomes } = await (hasFewEffects(attempted)
      ? recordTogether(one)
      : store.transaction(async (tx) => (await recordAll(tx, [one], await lockAndRead(tx, [attempted])))[0]!))
    await discardBlobs(blobs)
    return outcomes
  }

  /** One whose inbox or recipients another node has locked does not hold up the others. */
  async function recordBatch(tx: Tx, batch: readonly ToRecord[]): Promise<(Recorded | typeof RUN_LATER)[]> {
    const known = await lockAndRead(
      tx,
      batch.map(({ attempted }) => attempted),
    )
    const ready = batch.length === 1 ? batch : batch.filter(({ attempted }) => isFound(attempted, known))
    const recorded = await recordAll(tx, ready, known)
    const byItem = new Map(ready.map((one, index) => [one, recorded[index]!]))
    return batch.map((one) => byItem.get(one) ?? RUN_LATER)
  }

  /** Attempts that end at the same time share the statements for their recipients. Labels and events follow one by one. */
  async function recordAll(tx: Tx, all: readonly ToRecord[], known: KnownRows): Promise<Recorded[]> {
    const changed = all.map(({ attempted }) => changesOf(tx, attempted, known))
    await tx.runRows([
      rowStep(
        submissions.updateOutcomes,
        changed.flatMap(({ rows }) => rows),
      ),
      rowStep(
        submissions.insertHistory,
        changed.flatMap(({ history }) => history),
      ),
    ])
    const recorded: Recorded[] = []
    for (const [index, each] of all.entries()) recorded.push(await recordOne(tx, each, changed[index]!, known))
    return recorded
  }

  function changesOf(tx: Tx, attempted: EndedDelivery, { histories }: KnownRows): Changes {
    const made: Changes = { changes: [], rows: [], history: [], byEvent: new Map(), late: [], suppressed: [] }
    const together = spread()
    for (const { row, outcome } of attempted.recipients) {
      const historyLength = histories.get(leaseKey(row.id, attempted.owner))
      const change = historyLength === undefined ? undefined : stateAfter(tx, row, outcome, together)
      made.changes.push(change)
      if (historyLength === undefined || !change) continue
      made.rows.push(outcomeRow(tx, row, outcome, change))
      made.history.push(historyRow(tx, attempted, { row, outcome, position: historyLength + 1 }))
      const affected = { row, outcome, nextAttemptAt: change.nextAttemptAt }
      if (change.event) made.byEvent.set(change.event, [...(made.byEvent.get(change.event) ?? []), affected])
      if (change.isLate) made.late.push(affected)
      if (attempted.submission.kind === 'message' && isSuppressing(attempted.target, outcome))
        made.suppressed.push({ address: row.address, outcome })
    }
    return made
  }

  async function recordOne(
    tx: Tx,
    { attempted: { submission, target }, head }: ToRecord,
    { changes, byEvent, late, suppressed }: Changes,
    known: KnownRows,
  ): Promise<Recorded> {
    const { inbox, message } = messageOf(submission, known)
    if (message && inbox) await appendEvents(tx, { message, address: inbox.address }, known.labels, byEvent)
    if (message && target === 'relay') await addRelayIds(tx, message, byEvent.get('delivered') ?? [])
    await suppressBounced(tx, submission.organization_id, suppressed, limits)
    if (submission.kind === 'code' && byEvent.has('bounced')) await expireCode(tx, submission.id)
    // The failure of a deleted message is reported too: its owner may be waiting for a reply.
    const about = { submission, head, messageId: message?.api_message_id }
    await notices.enqueue(tx, 'bounce', about, byEvent.get('bounced') ?? [])
    await notices.enqueue(tx, 'delay', about, late)
    const isUnreachable = submission.kind !== 'message' || (submission.message_id !== null && !message)
    const blobs = isUnreachable ? await removeFinishedSubmission(tx, submission) : []
    return { blobs, outcomes: { messageId: message?.api_message_id, changes } }
  }

  /** @param together of this attempt, as `spread` */
  function stateAfter(tx: Tx, row: RecipientRow, outcome: Outcome, together: number): Change {
    const nextAttemptAt = row.next_attempt_at
    if (outcome.kind === 'delivered') return { state: 'delivered', nextAttemptAt, event: 'delivered' }
    if (outcome.kind === 'held') return { state: 'held', nextAttemptAt, event: 'held' }
    if (outcome.kind === 'rejected') return { state: 'rejected', nextAttemptAt, event: 'rejected' }
    const ageStartAt = ageStartOf(row)
    const isTooOld = ageStartAt + limits.delivery.retryForMs <= tx.now
    if (outcome.kind === 'failed_for_good' || isTooOld) return { state: 'bounced', nextAttemptAt, event: 'bounced' }
    const attempts = row.attempts + 1
    const retryAt = tx.now + retryDelayMs(attempts, isRetriedTogether(attempts, outcome) ? together : spread(), limits)
    const noticeAt = ageStartAt + limits.delivery.delayNoticeMs
    const isNoticeOpen = row.delay_notice_at === null
    const isLate = isNoticeOpen && noticeAt <= tx.now
    return {
      state: 'queued',
      // Make one attempt when the notice is due. By then the waits have grown to hours, and would delay the notice too.
      nextAttemptAt: isNoticeOpen && !isLate ? Math.min(retryAt, noticeAt) : retryAt,
      ...(row.attempts === 0 && { event: 'delayed' }),
      isLate,
    }
  }
}

/** Whether it changes only what belongs to one message: a failure can write notices and lists, and fail itself. */
function hasFewEffects({ submission, recipients }: EndedDelivery): boolean {
  return (
    submission.kind === 'message' &&
    recipients.every(({ outcome: { kind } }) => kind === 'delivered' || kind === 'held')
  )
}

/** A relay that renames messages says so only in its reply. The reply of a stranger's server says nothing. */
async function addRelayIds(tx: Tx, message: StoredMessageRow, delivered: readonly Affected[]): Promise<void> {
  const ids = new Set(delivered.map(({ outcome }) => findRelayId(outcome.reply ?? '')))
  for (const id of ids) if (id !== undefined) await addRelayId(tx, message, id)
}

/** The columns of the recipient after an outcome. */
function outcomeRow(tx: Tx, row: RecipientRow, { kind, code, enhancedCode, reply }: Outcome, change: Change) {
  return {
    id: row.id,
    state: change.state,
    attempts: row.attempts + (kind === 'rejected' ? 0 : 1),
    next_attempt_at: change.nextAttemptAt,
    delay_notice_at: change.isLate ? tx.now : row.delay_notice_at,
    last_code: code ?? null,
    last_enhanced_code: enhancedCode ?? null,
    last_reply: reply ?? null,
    lease_owner: null,
    lease_until: null,
    interruptions: 0,
    updated_at: tx.now,
  }
}

function historyRow(
  tx: Tx,
  { target, startedAt }: EndedDelivery,
  { row, outcome, position }: { row: RecipientRow; outcome: Outcome; position: number },
): RecipientHistoryRow {
  return {
    id: tx.newId(),
    recipient_id: row.id,
    position,
    target,
    outcome: outcome.kind,
    code: outcome.code ?? null,
    enhanced_code: outcome.enhancedCode ?? null,
    reply: outcome.reply ?? null,
    remote: outcome.remote ?? null,
    tls: outcome.tls ?? null,
    started_at: startedAt,
    ended_at: tx.now,
  }
}

/**
 * Removes finished rows of a message that was deleted during delivery, or of mail by Martlet itself: no call can show
 * their history.
 *
 * @returns keys of blobs to discard after the commit
 */
async function removeFinishedSubmission(tx: Tx, submission: SubmissionRow): Promise<string[]> {
  return contents.removeUnused(tx, await submissions.removeFinished(tx, 'id', [submission.id]))
}

/** A message and the address of its inbox. */
interface Addressed {
  readonly message: StoredMessageRow
  readonly address: string
}

async function appendEvents(
  tx: Tx,
  { message, address }: Addressed,
  labels: KnownRows['labels'],
  byEvent: ReadonlyMap<RecipientEvent, Affected[]>,
): Promise<void> {
  for (const [name, affected] of byEvent) {
    labels.set(message.id, await updateDeliveryLabels(tx, { message, address }, labels.get(message.id)!, name))
    const shown = eventMessage(message, address, labels.get(message.id)!)
    tx.append(eventOf(tx, name, shown, affected))
  }
}

/** `held` is a state of the queue, not of the message: it has no label. */
async function updateDeliveryLabels(
  tx: Tx,
  { message: row, address }: Addressed,
  labels: readonly string[],
  name: RecipientEvent,
): Promise<readonly string[]> {
  if (name === 'held') return labels
  const isOver = name !== 'delayed' && labels.includes('delayed') && !(await submissions.isAnyDelayed(tx, row.id))
  const change = { add: [name], remove: isOver ? ['delayed'] : [] }
  return changeKnownLabels(tx, ACTOR, { row, labels, change }, address)
}

function eventOf(tx: Tx, name: RecipientEvent, message: EventMessage, affected: readonly Affected[]) {
  const about = { actor: ACTOR, message, timestamp: tx.now }
  const recipients = affected.map(({ row }) => row.address)
  if (name === 'delivered') return messageDelivered({ ...about, recipients })
  if (name === 'held') return messageHeld({ ...about, recipients })
  if (name === 'rejected') {
    const reasons = new Set(affected.map(({ outcome }) => outcome.reply ?? ''))
    return messageRejected({ ...about, recipients, reason: [...reasons].join('; ') })
  }
  const [first] = affected
  if (name === 'delayed') {
    return messageDelayed({ ...about, recipients, nextAttemptAt: first?.nextAttemptAt, reply: first?.outcome.reply })
  }
  return messageBounced({
    ...about,
    bounceType: first?.outcome.kind === 'failed_for_good' ? 'permanent' : 'transient',
    bounceSubType: 'General',
    recipients: affected.map(({ row, outcome }) => ({
      address: row.address,
      status: statusOf('bounce', outcome),
    })),
  })
}
