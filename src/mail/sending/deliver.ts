/**
 * Hands queued mail over.
 *
 *   claim due recipients (lease, renewed while we work) → group by submission and target → target.deliver → outcome, in one transaction
 *
 * Crash: the lease runs out, or is cleared when a lone node starts, and the recipient is claimed again. A remote that
 *   had said 250 gets the mail twice; SMTP has no way around it (RFC 5321 §6.1). The attempt that was cut is not in the
 *   history: it is written with its outcome.
 * Temporary failure: the outcome sets the next attempt (retry.ts). A failure of ours (the store, a bug) is logged,
 *   counted, and left to the lease.
 * Stop: no new claims; hand-overs under way get the grace, then are aborted; leases of what was not begun are given back.
 * Must not: parse mail, decide who may send, or know what a target does.
 */
import type { Limits } from '../../config.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { claimRecipients, giveBackLeases, renewLeases } from '../../store/leases.ts'
import type { RecipientRow, SubmissionRow } from '../../store/schema.ts'
import type { Store } from '../../store/store.ts'
import * as contentTable from '../../store/tables/contents.ts'
import * as table from '../../store/tables/submissions.ts'
import type { Contents } from '../messages/contents.ts'
import type { RecordOutcome } from './outcome.ts'
import type { DeliveryTarget, Outcome } from './target.ts'

export interface DeliveryWorker {
  start(): void
  /** Resolves when nothing is under way any more. */
  stop(graceMs: number): Promise<void>
}

interface DeliveryNeeds {
  readonly store: Store
  readonly contents: Contents
  /** Which target a recipient's domain belongs to. */
  readonly targetFor: (domain: string) => Promise<DeliveryTarget>
  readonly recordOutcome: RecordOutcome
  /** Names this worker's leases; unique over nodes and restarts. */
  readonly owner: string
  readonly clock: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Pick<Limits, 'deliveryLeaseMs' | 'deliveryConcurrencyMax' | 'deliveryClaimMax' | 'queuePollMs'>
}

/** Recipients of one submission that go to one target. */
interface Group {
  readonly submission: SubmissionRow
  readonly target: DeliveryTarget
  readonly rows: readonly RecipientRow[]
}

export function createDeliveryWorker(needs: DeliveryNeeds): DeliveryWorker {
  const { store, contents, targetFor, recordOutcome, owner, clock, log, metrics, limits } = needs
  const waiting: Group[] = []
  const running = new Map<Group, Promise<void>>()
  const abort = new AbortController()
  let looking: Promise<void> | undefined
  let isLookWanted = false
  let isStopping = false
  let timer: NodeJS.Timeout | undefined
  let renewal: NodeJS.Timeout | undefined
  let stopListening: (() => void) | undefined

  return {
    start() {
      stopListening = store.onCommit(look)
      renewal = setInterval(() => void renew(), limits.deliveryLeaseMs / 3).unref()
      look()
    },

    async stop(graceMs) {
      isStopping = true
      stopListening?.()
      clearTimeout(timer)
      clearInterval(renewal)
      await looking
      const unbegun = waiting.splice(0).flatMap((group) => group.rows.map((row) => row.id))
      let grace: NodeJS.Timeout | undefined
      const graceOver = new Promise<void>((resolve) => {
        grace = setTimeout(resolve, graceMs)
      })
      await Promise.race([Promise.all(running.values()), graceOver])
      clearTimeout(grace)
      abort.abort() // what still runs is left to its lease
      if (unbegun.length > 0) {
        await guarded('giving leases back', () =>
          store.transaction((tx) => giveBackLeases(tx, 'recipients', { owner, ids: unbegun })),
        )
      }
    },
  }

  /** Looks for due recipients, now or right after the look that is under way. */
  function look(): void {
    isLookWanted = true
    looking ??= lookWhileWanted().finally(() => {
      looking = undefined
      if (isLookWanted && !isStopping) look() // wanted between the last look and here
    })
  }

  async function lookWhileWanted(): Promise<void> {
    while (isLookWanted && !isStopping) {
      isLookWanted = false
      await guarded('claiming recipients', claim)
    }
  }

  async function claim(): Promise<void> {
    clearTimeout(timer)
    let waitMs: number = limits.queuePollMs
    if (waiting.length === 0 && running.size < limits.deliveryConcurrencyMax) {
      const now = clock()
      const due = await table.nextDue(store.db, now)
      if (due !== undefined && due <= now) {
        const untilMs = now + limits.deliveryLeaseMs
        const claimed = await store.transaction((tx) =>
          claimRecipients(tx, store.dialect, { owner, untilMs, limit: limits.deliveryClaimMax }),
        )
        waiting.push(...(await group(claimed)))
        if (claimed.length > 0) isLookWanted = true
      } else if (due !== undefined) waitMs = Math.min(waitMs, due - now)
    }
    begin()
    if (!isStopping) timer = setTimeout(look, waitMs).unref()
  }

  async function group(rows: readonly RecipientRow[]): Promise<Group[]> {
    const submissions = await table.listByIds(store.db, [...new Set(rows.map((row) => row.submission_id))])
    const byId = new Map(submissions.map((submission) => [submission.id, submission]))
    const groups = new Map<string, { submission: SubmissionRow; target: DeliveryTarget; rows: RecipientRow[] }>()
    for (const row of rows) {
      const submission = byId.get(row.submission_id)
      if (!submission) continue // removed with its inbox a moment ago
      const target = await targetFor(row.domain)
      const key = `${submission.id} ${target.name}`
      const known = groups.get(key)
      if (known) known.rows.push(row)
      else groups.set(key, { submission, target, rows: [row] })
    }
    return [...groups.values()]
  }

  function begin(): void {
    while (!isStopping && running.size < limits.deliveryConcurrencyMax) {
      const next = waiting.shift()
      if (!next) return
      const work = guarded('handing mail over', () => handOver(next)).finally(() => {
        running.delete(next)
        begin()
        if (waiting.length === 0) look()
      })
      running.set(next, work)
    }
  }

  async function handOver({ submission, target, rows }: Group): Promise<void> {
    const startedAt = clock()
    const outcomes = await attempt({ submission, target, rows })
    for (const outcome of outcomes) metrics.deliveries.inc({ outcome: outcome.kind })
    const recipients = rows.map((row, index) => ({ row, outcome: outcomes[index]! }))
    await recordOutcome({ submission, recipients, target: target.name, owner, startedAt })
    log.info(
      { submission: submission.id, target: target.name, outcomes: outcomes.map(({ kind }) => kind) },
      'mail handed over',
    )
  }

  async function attempt({ submission, target, rows }: Group): Promise<readonly Outcome[]> {
    try {
      const place = await contentTable.getPlace(store.db, submission.content_id)
      const handover = {
        submissionId: submission.id,
        sender: submission.envelope_sender,
        recipients: rows.map((row) => row.address),
        sizeBytes: place?.size_bytes ?? 0,
        read: () => contents.read(submission.content_id),
      }
      return await target.deliver(handover, abort.signal)
    } catch (error) {
      log.error({ err: error, submission: submission.id, target: target.name }, 'a delivery target failed')
      return rows.map(() => ({ kind: 'failed_for_now', reply: 'Internal failure; it is tried again' }))
    }
  }

  async function renew(): Promise<void> {
    const held = [...waiting, ...running.keys()].flatMap((each) => each.rows.map((row) => row.id))
    if (held.length === 0) return
    await guarded('renewing leases', () =>
      store.transaction((tx) =>
        renewLeases(tx, 'recipients', { owner, ids: held, untilMs: clock() + limits.deliveryLeaseMs }),
      ),
    )
  }

  /** Background work reports its failures and goes on. */
  async function guarded(what: string, act: () => Promise<unknown>): Promise<void> {
    try {
      await act()
    } catch (error) {
      metrics.loopErrors.inc({ loop: 'queue' })
      log.error({ err: error }, `${what} failed`)
      clearTimeout(timer)
      if (!isStopping) timer = setTimeout(look, limits.queuePollMs).unref()
    }
  }
}
