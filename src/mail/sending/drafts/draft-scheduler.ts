/**
 * Sends scheduled drafts when they are due.
 *
 *   poll interval, the time of the next one, or a signal of this node → claim due drafts, pod after pod (a lease, renewed
 *   meanwhile) → act for the key that scheduled it → send-draft.ts, which removes the draft in the transaction of the message
 *
 * Each pod and organization has its share of the drafts that are sent at once (jobs/capacity-shares.ts), and the pods take
 * turns: large drafts of one pod delay a draft of another one by the drafts that are being sent, not by the backlog.
 *
 * Every node does this; a claim skips rows that another node is claiming. A draft is sent once: the transaction that files
 * its message removes it, if the lease still belongs to this worker.
 * Crash: the lease expires, or is cleared at the next start (SQLite), and the draft is claimed again. One whose attempts end
 *   without an outcome is tried while no other such work runs, and fails after limits.jobs.interruptionsMax of them
 *   (docs/adr/0022).
 * Temporary failure (the disk, the database, memory): tried again after limits.sending.scheduleRetryMs.
 * Other failures, and a key that is gone or may no longer send: the draft gets the status `failed` and a sentence, and stays.
 * Pause (jobs/outbound-pause.ts): no claims, also for local mail. What a restored backup has scheduled may have been sent.
 * Stop: no new claims. Running sends get the grace period; a later one is left to its lease.
 * Must not: send what the key could not send with a call.
 */
import type { Limits } from '../../../config/limits.ts'
import { waitAtMost } from '../../../deadline.ts'
import { isMailError, isTemporary, MailError } from '../../../errors.ts'
import type { EventLoop } from '../../../event-loop.ts'
import { contain } from '../../../fault-boundary.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import { createPollLoop } from '../../../store/commit/poll-loop.ts'
import type { Tx } from '../../../store/handles.ts'
import { claimDrafts, type InterruptionBounds, isInterrupted, leaseEnd, UNINTERRUPTED } from '../../../store/leases.ts'
import type { DraftRow } from '../../../store/schema/draft-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as scheduled from '../../../store/tables/scheduled-drafts-table.ts'
import type { Actor } from '../../access/actor.ts'
import type { BodyMemory } from '../../access/body-memory.ts'
import { draftUpdated } from '../../events/log/draft-events.ts'
import { CapacityShares, type Tenant } from '../../jobs/capacity-shares.ts'
import { createGuarded } from '../../jobs/guarded.ts'
import type { InterruptedWork } from '../../jobs/interrupted-work.ts'
import { createLeaseRenewal } from '../../jobs/lease-renewal.ts'
import { DamagedContent } from '../../messages/content/damaged-content.ts'
import type { SendDraft } from './send-draft.ts'

export interface DraftScheduler {
  start(): void
  /** A draft was scheduled on this node: it may be due before the next poll. */
  signalScheduled(): void
  /** Resolves when nothing is being sent any more, or after the grace period. */
  stop(graceMs: number): Promise<void>
}

interface DraftSchedulerNeeds {
  readonly store: Store
  readonly sendDraft: Pick<SendDraft, 'sendClaimed'>
  /** Returns the key as it is now; undefined if it was deleted or has expired. */
  readonly keyActor: (apiKeyId: string) => Promise<Actor | undefined>
  readonly interrupted: InterruptedWork
  readonly isPaused: () => Promise<boolean>
  /** Prefix of this worker's lease owners; unique across nodes and restarts. */
  readonly owner: string
  readonly eventLoop: Pick<EventLoop, 'createWorkQueue'>
  /**
   * The clock of the machine, epoch ms: clients choose `send_at` by theirs. After a step back, that of the server is ahead, and would send
   * drafts early.
   */
  readonly wallClock: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Limits
}

const ACTOR = 'system:drafts'

interface ClaimedDraft {
  readonly owner: string
  readonly row: DraftRow
}

interface Running extends ClaimedDraft {
  readonly abort: AbortController
}

export function createDraftScheduler(needs: DraftSchedulerNeeds): DraftScheduler {
  const { store, sendDraft, keyActor, interrupted, isPaused, wallClock, log, metrics, limits } = needs
  const { schedulePollMs, scheduleConcurrencyMax, scheduleRetryMs, draftLeaseMs } = limits.sending
  const running = new Map<Running, Promise<void>>()
  const shares = new CapacityShares(scheduleConcurrencyMax)
  /** The pod after which the next poll begins. */
  let after = ''
  const guarded = createGuarded('drafts', { log, metrics })
  const pollLoop = createPollLoop({ name: 'drafts', poll, pollMs: schedulePollMs, limits, log, metrics })
  const renewal = createLeaseRenewal({
    store,
    table: 'drafts',
    leaseMs: draftLeaseMs,
    running: () => [...running.keys()].map(({ owner, row, abort }) => ({ owner, ids: [row.id], abort })),
    guarded,
  })
  const workQueue = needs.eventLoop.createWorkQueue()
  /** No request limits the memory of a scheduled draft: the number of drafts that are sent at once does. */
  const memory: BodyMemory = {
    freeBytes: Number.POSITIVE_INFINITY,
    reserve: async () => false,
    nextTurn: () => workQueue.wait(),
  }
  let claims = 0

  return {
    start() {
      renewal.start()
      pollLoop.pollSoon()
    },

    signalScheduled: pollLoop.pollSoon,

    async stop(graceMs) {
      const endsAtMs = performance.now() + graceMs
      await pollLoop.stop()
      await waitAtMost(endsAtMs - performance.now(), Promise.all(running.values()))
      renewal.stop()
    },
  }

  /** @returns ms until the next poll */
  async function poll(): Promise<number> {
    if (running.size >= scheduleConcurrencyMax || (await isPaused())) return schedulePollMs // the end of a send polls again
    const due = await scheduled.nextDue(store.db, store.leaseNow(), interrupted.bounds(pollLoop.pollSoon))
    if (due === undefined) return schedulePollMs
    const waitMs = due - wallClock()
    if (waitMs > 0) return Math.min(schedulePollMs, waitMs)

    const rows = await interrupted.claimWith(
      claimInTurns,
      (claimed) => claimed.map(({ row }) => row),
      pollLoop.pollSoon,
    )
    for (const { owner, row } of rows) begin({ owner, row, abort: new AbortController() })
    return rows.length === 0 ? schedulePollMs : 0
  }

  /** Claims drafts of the first pods after the last one served that have due drafts and capacity. */
  async function claimInTurns(reserved: InterruptionBounds): Promise<ClaimedDraft[]> {
    const start = after
    const now = wallClock()
    for (let isWrapped = false; ; ) {
      const page = await scheduled.listSchedulingPods(store.db, {
        after,
        limit: limits.sending.schedulePodsPerPollMax,
        now,
        leaseNow: store.leaseNow(),
        interrupted: reserved,
      })
      const due = page.filter((pod) => pod.isDue && shares.capacity(pod) > 0)
      const claimed = due.length === 0 ? [] : await store.transaction((tx) => claimOf(tx, due, now, reserved))
      const isLast = page.length < limits.sending.schedulePodsPerPollMax
      after = claimed.at(-1)?.row.pod_id ?? (isLast ? '' : page.at(-1)!.podId)
      if (claimed.length > 0) return claimed
      if (isWrapped ? isLast || after >= start : isLast && start === '') return []
      isWrapped ||= isLast
    }
  }

  async function claimOf(
    tx: Tx,
    pods: readonly Tenant[],
    now: number,
    reserved: InterruptionBounds,
  ): Promise<ClaimedDraft[]> {
    const planned = shares.copy()
    const claimed: ClaimedDraft[] = []
    let { interruptionsBelow } = reserved
    for (const pod of pods) {
      const limit = planned.capacity(pod)
      if (limit === 0) continue
      claims += 1
      const lease = { owner: `${needs.owner} draft ${claims}`, untilMs: leaseEnd(tx, draftLeaseMs) }
      const request = { ...lease, podId: pod.podId!, now, limit, interrupted: { ...reserved, interruptionsBelow } }
      const rows = await claimDrafts(tx, request)
      if (rows.some((row) => isInterrupted(row, reserved.setAsideFrom))) interruptionsBelow = UNINTERRUPTED
      planned.add(pod, rows.length)
      claimed.push(...rows.map((row) => ({ owner: lease.owner, row })))
    }
    return claimed
  }

  function begin(work: Running): void {
    const tenant = { organizationId: work.row.organization_id, podId: work.row.pod_id }
    shares.add(tenant, 1)
    const about = { draftId: work.row.id, inboxId: work.row.inbox_id }
    const ended = guarded('sending a scheduled draft', () => contain('job', () => attempt(work)), about).then(() => {
      running.delete(work)
      shares.add(tenant, -1)
      if (interrupted.isInterrupted(work.row)) interrupted.ended()
      pollLoop.pollSoon()
    })
    running.set(work, ended)
  }

  /** @throws errors that are bugs: the lease expires, and the attempt counts as interrupted */
  async function attempt(work: Running): Promise<void> {
    const { row, owner } = work
    if (row.interruptions >= limits.jobs.interruptionsMax) {
      metrics.workSetAside.inc({ work: 'draft' })
      return fail(work, 'Each attempt to send it was interrupted')
    }
    const actor = row.scheduled_by === null ? undefined : await keyActor(row.scheduled_by)
    if (!actor) return fail(work, 'The API key that scheduled it was deleted or has expired')
    try {
      const { messageId } = await sendDraft.sendClaimed(actor, { row, owner }, memory)
      log.info({ draftId: row.id, messageId }, 'scheduled draft sent')
    } catch (error) {
      await recordFailure(work, error)
    }
  }

  async function recordFailure(work: Running, error: unknown): Promise<void> {
    // Its own content, or what it forwards. Another attempt would find the same.
    if (error instanceof DamagedContent) return fail(work, new MailError('content_damaged', {}).message)
    if (!(error instanceof MailError) || error.kind === 'unknown' || error.kind === 'internal') throw error
    const { row, owner } = work
    if (error.code === 'draft_changed') return // the lease was lost: what happens to the draft is the work of others
    // `forbidden` in the transaction: the permissions of the key have just changed.
    const isExceeded = isMailError(error, 'rate_limit_exceeded')
    if (!isTemporary(error) && !isExceeded && error.code !== 'forbidden') return fail(work, reasonOf(error))
    const retryMs = isExceeded ? error.params.retryAfterSeconds * 1_000 : scheduleRetryMs
    log.warn({ err: error, draftId: row.id }, 'a scheduled draft could not be sent; will retry')
    const next_attempt_at = wallClock() + retryMs
    await store.transaction((tx) => drafts.endLease(tx, row.id, owner, { next_attempt_at }))
  }

  async function fail({ row, owner }: Running, reason: string): Promise<void> {
    log.warn({ draftId: row.id, inboxId: row.inbox_id, reason }, 'a scheduled draft could not be sent')
    await store.transaction(async (tx) => {
      // The inbox before the draft, as its removal locks them. `inbox.deleted` was the last event of one that is being deleted.
      const inbox = await inboxes.lockById(tx, row.inbox_id)
      const change = { send_status: 'failed', send_error: reason, updated_at: tx.now } as const
      const hadLease = await drafts.endLease(tx, row.id, owner, change)
      if (!hadLease || !inbox) return
      const about = { actor: ACTOR, inboxAddress: inbox.address, draft: { ...row, ...change } }
      tx.append(draftUpdated({ ...about, previousRevisionId: row.revision_id }))
    })
  }
}

/** @returns a sentence without a full stop */
function reasonOf(error: MailError): string {
  if (!isMailError(error, 'missing_permission')) return error.message
  return `The API key that scheduled it lacks the permission "${error.params.permission}"`
}
