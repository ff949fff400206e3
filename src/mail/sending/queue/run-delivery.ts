/**
 * Runs one delivery: hands the message to the target, and records the outcome of each recipient. Part of
 * delivery-worker.ts, whose header says what happens on crash, failure and stop.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { isTemporary } from '../../../errors.ts'
import { contain } from '../../../fault-boundary.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import type { RecipientRow } from '../../../store/schema/sending-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as contentsTable from '../../../store/tables/contents-table.ts'
import * as submissions from '../../../store/tables/submissions-table.ts'
import { createGuarded } from '../../jobs/guarded.ts'
import { type Contents, readAgain } from '../../messages/content/contents.ts'
import { failedOutcome, type Outcome } from '../targets/delivery-target.ts'
import { type DeliveryGroup, releaseRecipients, setAsideTarget } from './delivery-groups.ts'
import type { EndedDelivery, RecordedOutcomes, RecordOutcome } from './delivery-outcome.ts'
import { createDeliveryProgress } from './delivery-progress.ts'
import { logOutcomes } from './outcome-log.ts'

export interface RunDeliveryNeeds {
  readonly store: Store
  /** `createReadableContents`: a message is not sent without its end. */
  readonly contents: Contents
  readonly recordOutcome: RecordOutcome
  readonly clock: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Limits
}

/** @param isStopping whether the worker stops, and so aborts deliveries although they have their leases */
export function createRunDelivery(
  { store, contents, recordOutcome, clock, log, metrics, limits }: RunDeliveryNeeds,
  isStopping: () => boolean,
): (group: DeliveryGroup) => Promise<void> {
  const guarded = createGuarded('queue', { log, metrics })
  return runDelivery

  /** After an error that no code handles, the delivery may still be running: aborts it before its lease ends. */
  async function runDelivery(group: DeliveryGroup): Promise<void> {
    try {
      await contain('delivery', () => deliver(group))
    } catch (error) {
      group.abort.abort(error)
      throw error
    }
  }

  async function deliver({ submission, target, rows, owner, abort }: DeliveryGroup): Promise<void> {
    const startedAt = clock()
    const outcomes = await attempt({ submission, target, rows, owner, abort })
    if (outcomes === 'aborted') {
      // If the server does not stop, the lease was lost or an error ended the delivery: the lease must expire.
      if (isStopping()) await releaseRecipients(store, [{ owner, rows }])
      return
    }
    for (const outcome of outcomes) metrics.recipientAttempts.inc({ outcome: outcome.kind })
    if (target === setAsideTarget) reportSetAside(rows)
    const recipients = rows.map((row, index) => ({ row, outcome: outcomes[index]! }))
    const ended = { submission, recipients, target: target.name, owner, startedAt }
    logOutcomes(log, ended, await recordWhileLeased(ended, abort.signal), clock())
  }

  /**
   * Retries while the store is unavailable, during a stop until the end of its grace period, and then once more. An outcome that is
   * not recorded would deliver an accepted message again.
   */
  async function recordWhileLeased(attempted: EndedDelivery, lost: AbortSignal): Promise<RecordedOutcomes> {
    for (;;) {
      const isLast = lost.aborted
      try {
        return await recordOutcome(attempted)
      } catch (error) {
        if (!isTemporary(error) || isLast) throw error
        log.warn({ err: error, submission: attempted.submission.id }, 'an outcome cannot be written yet; will retry')
        await delay(limits.delivery.pollMs, undefined, { signal: lost }).catch(() => undefined) // aborted: at once
      }
    }
  }

  async function attempt({
    submission,
    target,
    rows,
    owner,
    abort,
  }: Omit<DeliveryGroup, 'destination' | 'sender'>): Promise<readonly Outcome[] | 'aborted'> {
    const ids = rows.map((row) => row.id)
    const progress = createDeliveryProgress(limits.delivery.showServerAfterMs, (server) =>
      guarded(
        'recording the server of a delivery',
        () => store.transaction((tx) => submissions.recordServer(tx, { owner, ids, server })),
        { submission: submission.id },
      ),
    )
    try {
      const location = await contentsTable.getLocation(store.db, submission.content_id)
      if (!location) throw new Error('the content of a submission is missing')
      const handover = {
        submissionId: submission.id,
        organizationId: submission.organization_id,
        sender: submission.envelope_sender,
        recipients: rows.map((row) => row.address),
        contentId: location.id,
        sizeBytes: location.size_bytes,
        read: readAgain(contents, location, limits.delivery.keptBytesMax),
        reached: progress.reached,
      }
      return await target.deliver(handover, abort.signal)
    } catch (error) {
      if (abort.signal.aborted) return 'aborted'
      log.error({ err: error, submission: submission.id, target: target.name }, 'a delivery target failed')
      return rows.map(() => failedOutcome(error))
    } finally {
      progress.end()
    }
  }

  function reportSetAside(rows: readonly RecipientRow[]): void {
    metrics.workSetAside.inc({ work: 'recipient' }, rows.length)
    const recipients = rows.map(({ id, interruptions }) => ({ id, interruptions }))
    log.error({ recipients }, 'recipients set aside: each attempt ended without an outcome')
  }
}
