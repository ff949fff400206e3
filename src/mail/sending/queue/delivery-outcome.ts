/**
 * Records a delivery attempt in one transaction: each recipient's state and history, the message's labels, the events,
 * the suppression of addresses that do not exist, and the notice to the sender.
 *
 * An outcome counts only while the worker still has the lease. After the lease expired another worker may deliver, and
 * its outcome counts.
 */
import type { Limits } from '../../../config/limits.ts'
import { findRelayId } from '../../../formats/ids.ts'
import type { Tx } from '../../../store/handles.ts'
import type { RecipientRow, RecipientState, SubmissionRow } from '../../../store/schema/sending-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
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
import { changeLabels } from '../../messages/labels/labels.ts'
import { addRelayId } from '../../messages/threads/threading.ts'
import { eventMessage } from '../../messages/views/event-message.ts'
import type { Outcome } from '../targets/delivery-target.ts'
import { ageStartOf, type BounceNotices, statusOf } from './bounce-notices.ts'
import { retryDelayMs } from './delivery-retry.ts'
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

export function createRecordOutcome(needs: OutcomeNeeds): RecordOutcome {
  const { store, discardBlobs, notices, limits, spread } = needs

  return async function recordOutcome(attempted) {
    const { submission } = attempted
    const isAnyFailed = attempted.recipients.some(({ outcome }) => outcome.kind.startsWith('failed'))
    const head = isAnyFailed ? await notices.readHead(submission) : Buffer.alloc(0)

    const { blobs, recorded } = await store.transaction(async (tx) => {
      // The inbox's labels and counts will change; and removals lock the inbox and then the recipients, in this order
      // too.
      const inbox = submission.inbox_id === null ? undefined : await inboxes.lockEvenIfDeleting(tx, submission.inbox_id)
      const byEvent = new Map<RecipientEvent, Affected[]>()
      const late: Affected[] = []
      const suppressed: { address: string; outcome: Outcome }[] = []
      const changes: RecordedOutcomes['changes'][number][] = []
      for (const { row, outcome } of attempted.recipients) {
        const change = stateAfter(tx, row, outcome)
        const hasLease = await submissions.recordOutcome(tx, row.id, attempted.owner, {
          state: change.state,
          attempts: row.attempts + (outcome.kind === 'rejected' ? 0 : 1),
          next_attempt_at: change.nextAttemptAt,
          delay_notice_at: change.isLate ? tx.now : row.delay_notice_at,
          last_code: outcome.code ?? null,
          last_enhanced_code: outcome.enhancedCode ?? null,
          last_reply: outcome.reply ?? null,
        })
        changes.push(hasLease ? change : undefined)
        if (!hasLease) continue
        await submissions.appendHistory(tx, [historyRow(tx, attempted, row, outcome)])
        const affected = { row, outcome, nextAttemptAt: change.nextAttemptAt }
        if (change.event) byEvent.set(change.event, [...(byEvent.get(change.event) ?? []), affected])
        if (change.isLate) late.push(affected)
        if (submission.kind === 'message' && isSuppressing(attempted.target, outcome))
          suppressed.push({ address: row.address, outcome })
      }
      const message = await findMessage(tx, submission, inbox)
      if (message && inbox) await appendEvents(tx, message, inbox.address, byEvent)
      if (message && attempted.target === 'relay') await addRelayIds(tx, message, byEvent.get('delivered') ?? [])
      await suppressBounced(tx, submission.organization_id, suppressed, limits)
      if (submission.kind === 'code' && byEvent.has('bounced')) await expireCode(tx, submission.id)
      // The failure of a deleted message is reported too: its owner may be waiting for a reply.
      const about = { submission, head, messageId: message?.api_message_id }
      await notices.enqueue(tx, 'bounce', about, byEvent.get('bounced') ?? [])
      await notices.enqueue(tx, 'delay', about, late)
      const isUnreachable = submission.kind !== 'message' || (submission.message_id !== null && !message)
      const blobs = isUnreachable ? await removeFinishedSubmission(tx, submission) : []
      return { blobs, recorded: { messageId: message?.api_message_id, changes } }
    })
    await discardBlobs(blobs)
    return recorded
  }

  function stateAfter(tx: Tx, row: RecipientRow, outcome: Outcome): Change {
    const nextAttemptAt = row.next_attempt_at
    if (outcome.kind === 'delivered') return { state: 'delivered', nextAttemptAt, event: 'delivered' }
    if (outcome.kind === 'held') return { state: 'held', nextAttemptAt, event: 'held' }
    if (outcome.kind === 'rejected') return { state: 'rejected', nextAttemptAt, event: 'rejected' }
    const ageStartAt = ageStartOf(row)
    const isTooOld = ageStartAt + limits.delivery.retryForMs <= tx.now
    if (outcome.kind === 'failed_for_good' || isTooOld) return { state: 'bounced', nextAttemptAt, event: 'bounced' }
    const retryAt = tx.now + retryDelayMs(row.attempts + 1, spread(), limits)
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

/**
 * Returns the message whose delivery is recorded; undefined once it is deleted, or its inbox: `inbox.deleted` was its last
 * event, also while the messages are still being removed.
 */
async function findMessage(
  tx: Tx,
  { message_id }: SubmissionRow,
  inbox: InboxRow | undefined,
): Promise<messages.StoredMessageRow | undefined> {
  if (message_id === null || inbox?.deleting_at !== null) return undefined
  const [message] = await messages.listByIds(tx, [message_id])
  return message
}

/** A relay that renames messages says so only in its reply. The reply of a stranger's server says nothing. */
async function addRelayIds(tx: Tx, message: messages.StoredMessageRow, delivered: readonly Affected[]): Promise<void> {
  const ids = new Set(delivered.map(({ outcome }) => findRelayId(outcome.reply ?? '')))
  for (const id of ids) if (id !== undefined) await addRelayId(tx, message, id)
}

function historyRow(tx: Tx, { target, startedAt }: EndedDelivery, row: RecipientRow, outcome: Outcome) {
  return {
    id: tx.newId(),
    recipient_id: row.id,
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

async function appendEvents(
  tx: Tx,
  row: messages.StoredMessageRow,
  address: string,
  byEvent: ReadonlyMap<RecipientEvent, Affected[]>,
): Promise<void> {
  for (const [name, affected] of byEvent) {
    const labels = await updateDeliveryLabels(tx, row, address, name)
    const message = eventMessage(row, address, labels)
    tx.append(eventOf(tx, name, message, affected))
  }
}

/** `held` is a state of the queue, not of the message: it has no label. */
async function updateDeliveryLabels(
  tx: Tx,
  row: messages.StoredMessageRow,
  address: string,
  name: RecipientEvent,
): Promise<readonly string[]> {
  if (name === 'held') return (await messages.labelsOf(tx, [row.id])).get(row.id) ?? []
  const isOver = name !== 'delayed' && !(await submissions.isAnyDelayed(tx, row.id))
  const remove = isOver ? ['delayed'] : []
  return changeLabels(tx, ACTOR, row, address, { add: [name], remove })
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
