/**
 * Follows the event log to its end as it grows: one reader per process, whatever the number of subscribers.
 *
 *   commit signal or poll interval → read the events after the last one, in batches → distribute (`tell`) → repeat
 *
 * The store makes an event visible only after all earlier ones (docs/adr/0004), so `seq > position` misses none.
 * Crash: nothing is lost, since subscribers have their own cursors; the next start begins at the end of the log.
 * Error: a read that fails is logged, counted and retried from the same position, after a pause.
 * Stop: events that were committed before are read and distributed, if the first attempt succeeds.
 */
import { setImmediate } from 'node:timers/promises'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import { type CommitWait, createCommitWait } from '../../../store/commit/commit-signal.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import type { Position } from '../log/cursor.ts'
import { endOf } from '../log/log-position.ts'

/** Small: the database most likely failed, and many events wait when it is back. */
const PAUSE_FACTOR_MAX = 2

interface TailerNeeds {
  readonly store: Pick<Store, 'db' | 'onCommit'>
  readonly clock: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: { readonly eventPollMs: number; readonly eventBatchMax: number }
  /** Whether there are subscriptions; without them no events are read. */
  readonly isHeard: () => boolean
  /** Called with each batch in order, an empty one at the end of the log; when it returns, `position` advances. */
  readonly tell: (rows: readonly EventRow[]) => void
}

export class Tailer {
  readonly #needs: TailerNeeds
  #wait: CommitWait | undefined
  #running: Promise<void> | undefined
  #isStopping = false
  #position: Position | undefined
  #lagMs = 0

  constructor(needs: TailerNeeds) {
    this.#needs = needs
  }

  /** The last event passed to `tell`. Changes only together with such a call, or while there are no subscriptions. */
  get position(): Position {
    if (this.#position === undefined) throw new Error('the tailer was not started')
    return this.#position
  }

  /** The age of the newest event at the time it was read. */
  get lagMs(): number {
    return this.#lagMs
  }

  async start(): Promise<void> {
    this.#position = endOf(await events.requireLog(this.#needs.store.db))
    this.#wait = createCommitWait(this.#needs.store)
    this.#running = this.#run(this.#wait)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.#wait?.close()
    await this.#running
  }

  async #run(wait: CommitWait): Promise<void> {
    let failures = 0
    while (!this.#isStopping) {
      try {
        const isMore = await this.#step()
        failures = 0
        // Let readers run before the next batch: a burst must not make them appear slow.
        if (isMore) await setImmediate()
        else await wait.next(this.#needs.limits.eventPollMs)
      } catch (error) {
        this.#report(error, ++failures)
        await wait.pause(this.#needs.limits.eventPollMs * Math.min(2 ** failures, PAUSE_FACTOR_MAX))
      }
    }
    await this.#finish()
  }

  async #finish(): Promise<void> {
    try {
      const { last_seq: end } = await events.requireLog(this.#needs.store.db)
      while (this.position.seq < end && (await this.#step())) await setImmediate()
    } catch (error) {
      this.#report(error, 1)
    }
  }

  /** Reads and distributes one batch. Returns whether there may be more. */
  async #step(): Promise<boolean> {
    const { store, limits, isHeard, tell } = this.#needs
    if (!isHeard()) {
      const log = await events.requireLog(store.db)
      // A subscription that joined while we read needs the events in between: one may report that its key was revoked.
      if (isHeard()) return true
      this.#position = endOf(log)
      tell([])
      return false
    }
    const rows = await events.listAfter(store.db, this.position.seq, limits.eventBatchMax)
    tell(rows)
    const last = rows.at(-1)
    if (last) {
      this.#position = { seq: last.seq, eventId: last.event_id }
      this.#lagMs = Math.max(0, this.#needs.clock() - last.at)
    }
    return rows.length === limits.eventBatchMax
  }

  #report(error: unknown, failures: number): void {
    this.#needs.metrics.loopErrors.inc({ loop: 'event feed' })
    this.#needs.log.error({ err: error, failures, position: this.#position?.seq }, 'the event log could not be read')
  }
}
