/**
 * Delivers queued mail.
 *
 *   claim due recipients, per destination and pod (destination-limits.ts; a lease, renewed during the delivery) → group
 *   by submission and target (delivery-groups.ts) → target.deliver → outcome, in one transaction (run-delivery.ts)
 *
 * Crash: the lease expires, or is cleared at the next start (SQLite), and the recipient is claimed again. A remote
 *   server that had accepted the message with 250 gets it twice, which SMTP cannot prevent (RFC 5321 §6.1). The
 *   interrupted attempt is not in the history, because an attempt is written with its outcome.
 * Temporary failure: the outcome sets the time of the next attempt (delivery-retry.ts).
 * Internal failure (the store, a bug): logged, counted, and left to the lease. A recipient whose attempts end without
 *   an outcome is retried while no other such work runs, and is held after limits.jobs.interruptionsMax of them
 *   (docs/adr/0022). One that stops a delivery before it begins concerns only its submission, which is due again after
 *   limits.delivery.errorPauseMs; its flow pauses as long if nothing of it could begin (docs/adr/0093).
 * Database away: what was claimed is released, and the poll loop pauses.
 * Lost lease (this process hung): the delivery is aborted, and its outcome does not count.
 * Stop: no new claims. Running deliveries, and outcomes that cannot be written, get the grace period; then deliveries are aborted,
 *   and their leases are released.
 * Must not: parse mail, decide who may send, or know what a target does.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { waitAtMost } from '../../../deadline.ts'
import { concernsAllWork } from '../../../errors.ts'
import { createPollLoop } from '../../../store/commit/poll-loop.ts'
import * as submissions from '../../../store/tables/submissions-table.ts'
import { createGuarded } from '../../jobs/guarded.ts'
import type { InterruptedWork } from '../../jobs/interrupted-work.ts'
import { createLeaseRenewal } from '../../jobs/lease-renewal.ts'
import {
  type DeliveryGroup,
  type DeliveryGroupsNeeds,
  groupRecipients,
  halve,
  releaseRecipients,
} from './delivery-groups.ts'
import { type ClaimedRecipients, createDestinationLimits, type Destination } from './destination-limits.ts'
import { createRunDelivery, type RunDeliveryNeeds } from './run-delivery.ts'

export interface DeliveryWorker {
  start(): void
  /** Resolves when no delivery is running any more. */
  stop(graceMs: number): Promise<void>
  runningCount(): number
}

interface DeliveryNeeds extends DeliveryGroupsNeeds, RunDeliveryNeeds {
  /** Returns the destination of mail for a domain. */
  readonly destinationOf: (domain: string) => Promise<Destination>
  readonly interrupted: InterruptedWork
  /** Whether only local mail may be delivered (jobs/outbound-pause.ts). Default: never. */
  readonly isPaused?: () => Promise<boolean>
  /** Prefix of this worker's lease owners; unique across nodes and restarts. */
  readonly owner: string
}

type Flow = ClaimedRecipients['flow']

/** A claim of one submission whose delivery could not begin. */
interface Failed {
  readonly claim: ClaimedRecipients
  readonly error: unknown
}

/** Time for targets to close their connections after they are aborted. */
const ABORT_MS = 1_000

export function createDeliveryWorker(needs: DeliveryNeeds): DeliveryWorker {
  const { store, interrupted, clock, log, metrics, limits } = needs
  const guarded = createGuarded('queue', { log, metrics })
  const destinationLimits = createDestinationLimits({ ...needs, guarded })
  const running = new Map<DeliveryGroup, Promise<void>>()
  const pollLoop = createPollLoop({ name: 'queue', poll: claim, pollMs: limits.delivery.pollMs, limits, log, metrics })
  const renewal = createLeaseRenewal({
    store,
    table: 'recipients',
    leaseMs: limits.delivery.leaseMs,
    running: () =>
      [...running.keys()].map(({ owner, rows, abort }) => ({ owner, ids: rows.map(({ id }) => id), abort })),
    guarded,
  })
  const stopping = new AbortController()
  const runDelivery = createRunDelivery(needs, () => stopping.signal.aborted)
  let stopListening: (() => void) | undefined

  return {
    start() {
      stopListening = store.onCommit(pollLoop.pollSoon)
      renewal.start()
      pollLoop.pollSoon()
    },

    async stop(graceMs) {
      const endsAtMs = performance.now() + graceMs
      stopping.abort()
      stopListening?.()
      await pollLoop.stop()
      await waitAtMost(endsAtMs - performance.now(), Promise.all(running.values()))
      for (const group of running.keys()) group.abort.abort(new Error('the server stops'))
      await waitAtMost(ABORT_MS, Promise.all(running.values())) // a delivery that ignores the abort is left to its lease
      renewal.stop()
    },

    runningCount: () => running.size,
  }

  /** @returns ms until the next poll */
  async function claim(): Promise<number> {
    const now = clock()
    const due = await submissions.nextDue(store.db, store.leaseNow(), interrupted.bounds(pollLoop.pollSoon))
    if (due === undefined) return limits.delivery.pollMs
    if (due > now) return Math.min(limits.delivery.pollMs, due - now)
    const { claimed, isMore, pauseMs } = await interrupted.claimWith(
      destinationLimits.claim,
      (found) => found.claimed.flatMap(({ rows }) => rows),
      pollLoop.pollSoon,
    )
    if (claimed.length > 0) await begin(claimed)
    if (isMore) pollLoop.pollSoon()
    else if (pauseMs > 0) await pause(Math.min(pauseMs, limits.delivery.backlogPauseMsMax))
    return limits.delivery.pollMs
  }

  /** Waits, so that one poll follows all commits and ends of deliveries meanwhile. Ends when the worker stops. */
  async function pause(timeMs: number): Promise<void> {
    await delay(timeMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined)
  }

  /** @throws errors that concern all work, when what could begin has begun and the rest is released: so the poll loop pauses */
  async function begin(claimed: readonly ClaimedRecipients[]): Promise<void> {
    const suspects: Promise<void>[] = []
    const onGroup = (group: DeliveryGroup) => {
      const work = start(group)
      if (group.rows.some(interrupted.isInterrupted)) suspects.push(work)
    }
    try {
      await groupEach(claimed, onGroup)
    } finally {
      const rows = claimed.flatMap((each) => each.rows)
      if (rows.some(interrupted.isInterrupted)) void Promise.all(suspects).then(interrupted.ended)
    }
  }

  /**
   * Reads what the deliveries of all claims need in common. If that fails, each half is read by itself, and so on: an error of one
   * submission, as a bug or a damaged value causes it, concerns only this submission.
   */
  async function groupEach(
    claimed: readonly ClaimedRecipients[],
    onGroup: (group: DeliveryGroup) => void,
  ): Promise<void> {
    const parts = [claimed]
    const begun = new Set<Flow>()
    const failed: Failed[] = []
    try {
      for (let part = parts.shift(); part; part = parts.shift()) {
        const left = new Set(part)
        try {
          for await (const { claims, groups } of groupRecipients(part, needs)) {
            for (const claim of claims) left.delete(claim)
            for (const { flow } of claims) begun.add(flow)
            for (const group of groups) onGroup(group)
          }
        } catch (error) {
          if (concernsAllWork(error)) {
            const rest = [...left, ...parts.flat()]
            await guarded('releasing recipients', () => releaseRecipients(store, rest))
            throw error
          }
          const halves = halve([...left])
          if (halves) parts.unshift(...halves)
          else for (const claim of left) failed.push({ claim, error })
        }
      }
    } finally {
      await postpone(failed, begun)
    }
  }

  /** Never rejects. A flow of which nothing has begun pauses as well: the cause may concern all of its mail. */
  async function postpone(failed: readonly Failed[], begun: ReadonlySet<Flow>): Promise<void> {
    const counts = new Map<Flow, number>()
    for (const { claim } of failed) counts.set(claim.flow, (counts.get(claim.flow) ?? 0) + 1)
    const lastOf = new Map(failed.map((each) => [each.claim.flow, each]))
    for (const [flow, { claim, error }] of lastOf) {
      if (!begun.has(flow)) destinationLimits.pauseAfterError(flow)
      const count = counts.get(flow)!
      const of = { domain: flow.domain, submission: claim.rows[0]!.submission_id }
      const about = { ...of, ...(count > 1 && { failedSubmissions: count }) }
      await guarded('starting deliveries', () => Promise.reject(error), about)
    }
    const claims = failed.map(({ claim }) => claim)
    await guarded('releasing recipients', () => releaseRecipients(store, claims, limits.delivery.errorPauseMs))
  }

  /** @returns a promise that never rejects */
  function start(group: DeliveryGroup): Promise<void> {
    destinationLimits.began(group.destination, group.sender)
    const about = { domain: group.rows[0]!.domain, submission: group.submission.id }
    const work = guarded('running a delivery', () => runDelivery(group), about).finally(() => {
      running.delete(group)
      destinationLimits.ended(group.destination, group.sender)
      pollLoop.pollSoon()
    })
    running.set(group, work)
    return work
  }
}
