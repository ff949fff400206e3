/**
 * Delivers queued mail.
 *
 *   claim due recipients, per destination and pod (destination-limits.ts; a lease, renewed during the delivery) → group by
 *   submission and target → target.deliver → outcome, in one transaction
 *
 * Crash: the lease expires, or is cleared at the next start (SQLite), and the recipient is claimed again. A remote
 *   server that had accepted the message with 250 gets it twice, which SMTP cannot prevent (RFC 5321 §6.1). The
 *   interrupted attempt is not in the history, because an attempt is written with its outcome.
 * Temporary failure: the outcome sets the time of the next attempt (delivery-retry.ts).
 * Internal failure (the store, a bug): logged, counted, and left to the lease. A recipient whose attempts end without
 *   an outcome is retried while no other such work runs, and is held after limits.jobs.interruptionsMax of them
 *   (docs/adr/0022).
 * Lost lease (this process hung): the delivery is aborted, and its outcome does not count.
 * Stop: no new claims. Running deliveries get the grace period, then are aborted, and their leases are released.
 * Must not: parse mail, decide who may send, or know what a target does.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { waitAtMost } from '../../../deadline.ts'
import { isTemporary } from '../../../errors.ts'
import { contain } from '../../../fault-boundary.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import { createPollLoop } from '../../../store/commit/poll-loop.ts'
import { releaseLeases } from '../../../store/leases.ts'
import type { RecipientRow, SubmissionRow } from '../../../store/schema/sending-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as contentTable from '../../../store/tables/contents-table.ts'
import * as table from '../../../store/tables/submissions-table.ts'
import type { Owner } from '../../jobs/capacity-shares.ts'
import { createGuarded } from '../../jobs/guarded.ts'
import type { InterruptedWork } from '../../jobs/interrupted-work.ts'
import { createLeaseRenewal } from '../../jobs/lease-renewal.ts'
import type { Contents } from '../../messages/content/contents.ts'
import type { DeliveryTarget, Outcome } from '../targets/delivery-target.ts'
import type { EndedDelivery, RecordOutcome } from './delivery-outcome.ts'
import { type ClaimedRecipients, createDestinationLimits, type Destination } from './destination-limits.ts'

export interface DeliveryWorker {
  start(): void
  /** Resolves when no delivery is running any more. */
  stop(graceMs: number): Promise<void>
}

interface DeliveryNeeds {
  readonly store: Store
  readonly contents: Contents
  /** Returns the destination of mail for a domain. */
  readonly destinationOf: (domain: string) => Promise<Destination>
  /** Returns the target of a recipient. */
  readonly targetFor: (recipient: RecipientRow) => Promise<DeliveryTarget>
  readonly recordOutcome: RecordOutcome
  readonly interrupted: InterruptedWork
  /** Prefix of this worker's lease owners; unique across nodes and restarts. */
  readonly owner: string
  readonly clock: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Limits
}

/** Recipients of one submission that have the same target: one delivery. */
interface Group {
  readonly destination: Destination
  readonly sender: Owner
  readonly owner: string
  readonly submission: SubmissionRow
  readonly target: DeliveryTarget
  readonly rows: RecipientRow[]
  readonly abort: AbortController
}

/** Time for targets to close their connections after they are aborted. */
const ABORT_MS = 1_000

export function createDeliveryWorker(needs: DeliveryNeeds): DeliveryWorker {
  const { store, contents, targetFor, recordOutcome, interrupted, clock, log, metrics, limits } = needs
  const destinationLimits = createDestinationLimits(needs)
  const running = new Map<Group, Promise<void>>()
  const guarded = createGuarded('queue', { log, metrics })
  const pollLoop = createPollLoop({ name: 'queue', poll: claim, pollMs: limits.delivery.pollMs, limits, log, metrics })
  const renewal = createLeaseRenewal({
    store,
    table: 'recipients',
    leaseMs: limits.delivery.leaseMs,
    running: () =>
      [...running.keys()].map(({ owner, rows, abort }) => ({ owner, ids: rows.map(({ id }) => id), abort })),
    guarded,
  })
  let isStopping = false

  let stopListening: (() => void) | undefined

  return {
    start() {
      stopListening = store.onCommit(pollLoop.pollSoon)
      renewal.start()
      pollLoop.pollSoon()
    },

    async stop(graceMs) {
      isStopping = true
      stopListening?.()
      await pollLoop.stop()
      await waitAtMost(graceMs, Promise.all(running.values()))
      for (const group of running.keys()) group.abort.abort(new Error('the server stops'))
      await waitAtMost(ABORT_MS, Promise.all(running.values())) // a delivery that ignores the abort is left to its lease
      renewal.stop()
    },
  }

  /** @returns ms until the next poll */
  async function claim(): Promise<number> {
    const now = clock()
    const due = await table.nextDue(store.db, now, interrupted.bounds(pollLoop.pollSoon))
    if (due === undefined) return limits.delivery.pollMs
    if (due > now) return Math.min(limits.delivery.pollMs, due - now)
    const { claimed, isMore } = await interrupted.claimWith(
      destinationLimits.claim,
      (found) => found.claimed.flatMap(({ rows }) => rows),
      pollLoop.pollSoon,
    )
    for (const each of claimed) await guarded('starting deliveries', () => beginOrRelease(each))
    if (isMore) pollLoop.pollSoon()
    return limits.delivery.pollMs
  }

  /** Releases recipients whose delivery cannot begin, and throws. */
  async function beginOrRelease(claimed: ClaimedRecipients): Promise<void> {
    try {
      await begin(claimed)
    } catch (error) {
      await releaseRecipients(claimed.owner, claimed.rows)
      throw error
    }
  }

  async function begin(claimed: ClaimedRecipients): Promise<void> {
    const { rows } = claimed
    const suspects: Promise<void>[] = []
    try {
      for (const group of await grouped(claimed)) {
        const work = start(group)
        if (group.rows.some(interrupted.isInterrupted)) suspects.push(work)
      }
    } finally {
      if (rows.some(interrupted.isInterrupted)) void Promise.all(suspects).then(interrupted.ended)
    }
  }

  /** @returns a promise that never rejects */
  function start(group: Group): Promise<void> {
    destinationLimits.began(group.destination, group.sender)
    const work = guarded('running a delivery', () => deliverContained(group)).finally(() => {
      running.delete(group)
      destinationLimits.ended(group.destination, group.sender)
      pollLoop.pollSoon()
    })
    running.set(group, work)
    return work
  }

  async function releaseRecipients(owner: string, rows: readonly RecipientRow[]): Promise<void> {
    if (rows.length === 0) return
    const ids = rows.map((row) => row.id)
    await store.transaction((tx) => releaseLeases(tx, 'recipients', { owner, ids }))
  }

  async function grouped({ destination, flow: sender, owner, rows }: ClaimedRecipients): Promise<Group[]> {
    const submissions = await table.listByIds(store.db, [...new Set(rows.map((row) => row.submission_id))])
    const byId = new Map(submissions.map((submission) => [submission.id, submission]))
    const groups = new Map<string, Group>()
    for (const row of rows) {
      const submission = byId.get(row.submission_id)
      if (!submission) continue // removed with its inbox just now
      const isSetAside = row.interruptions >= limits.jobs.interruptionsMax
      const target = isSetAside ? setAsideTarget : await targetFor(row)
      const key = `${submission.id} ${target.name}`
      const known = groups.get(key)
      if (known) known.rows.push(row)
      else {
        const abort = new AbortController()
        groups.set(key, { destination, sender, owner, submission, target, rows: [row], abort })
      }
    }
    return [...groups.values()]
  }

  /** After an error that no code handles, the delivery may still be running: aborts it before its lease ends. */
  async function deliverContained(group: Group): Promise<void> {
    try {
      await contain('delivery', () => deliver(group))
    } catch (error) {
      group.abort.abort(error)
      throw error
    }
  }

  async function deliver({ submission, target, rows, owner, abort }: Group): Promise<void> {
    const startedAt = clock()
    const outcomes = await attempt({ submission, target, rows, abort })
    if (outcomes === 'aborted') {
      // If the server does not stop, the lease was lost or an error ended the delivery: the lease must expire.
      if (isStopping) await releaseRecipients(owner, rows)
      return
    }
    for (const outcome of outcomes) metrics.recipientAttempts.inc({ outcome: outcome.kind })
    if (target === setAsideTarget) reportSetAside(rows)
    const recipients = rows.map((row, index) => ({ row, outcome: outcomes[index]! }))
    await recordWhileLeased({ submission, recipients, target: target.name, owner, startedAt }, abort.signal)
    log.info(
      { submission: submission.id, target: target.name, outcomes: outcomes.map(({ kind }) => kind) },
      'delivery attempt ended',
    )
  }

  /**
   * Retries while the store is unavailable. An outcome that is not recorded would deliver an accepted message again.
   */
  async function recordWhileLeased(attempted: EndedDelivery, lost: AbortSignal): Promise<void> {
    for (;;) {
      try {
        return await recordOutcome(attempted)
      } catch (error) {
        if (!isTemporary(error) || isStopping || lost.aborted) throw error
        log.warn({ err: error, submission: attempted.submission.id }, 'an outcome cannot be written yet; retrying')
        await delay(limits.delivery.pollMs)
      }
    }
  }

  async function attempt({
    submission,
    target,
    rows,
    abort,
  }: Pick<Group, 'submission' | 'target' | 'rows' | 'abort'>): Promise<readonly Outcome[] | 'aborted'> {
    try {
      const location = await contentTable.getLocation(store.db, submission.content_id)
      const handover = {
        submissionId: submission.id,
        organizationId: submission.organization_id,
        sender: submission.envelope_sender,
        recipients: rows.map((row) => row.address),
        sizeBytes: location?.size_bytes ?? 0,
        read: () => contents.read(submission.content_id),
      }
      return await target.deliver(handover, abort.signal)
    } catch (error) {
      if (abort.signal.aborted) return 'aborted'
      log.error({ err: error, submission: submission.id, target: target.name }, 'a delivery target failed')
      return rows.map(() => ({ kind: 'failed_for_now', reply: 'Internal error; will retry' }))
    }
  }

  function reportSetAside(rows: readonly RecipientRow[]): void {
    metrics.workSetAside.inc({ work: 'recipient' }, rows.length)
    const recipients = rows.map(({ id, interruptions }) => ({ id, interruptions }))
    log.error({ recipients }, 'recipients set aside: each attempt ended without an outcome')
  }
}

/** Holds recipients whose delivery may be what ends the process, until an operator releases them. */
const setAsideTarget: DeliveryTarget = {
  name: 'set aside',
  async deliver({ recipients }) {
    const reply = 'Set aside: the last attempts ended without an outcome. See the log, then release it'
    return recipients.map(() => ({ kind: 'held', reply }))
  },
}
