/**
 * Reads new events from the end of the log: one reader per process, whatever the number of subscribers.
 *
 *   commit signal or poll interval → read the events after the last one, in batches → distribute → repeat
 *
 * The store makes an event visible only after all earlier ones (docs/adr/0004), so `seq > position` misses none.
 * Crash: nothing is lost, since subscribers have their own cursors; the next start begins at the end of the log.
 * Error: a read that fails is logged, counted and retried from the same position, after a pause.
 * Restored database: if the last event is no longer in the log, reading begins again at its end (log/read-after.ts).
 * Stop: events that were committed before are read and distributed, if the first attempt succeeds.
 */

import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import { createPollLoop, type PollLoop } from '../../../store/commit/poll-loop.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import type { LogPosition } from '../log/cursor.ts'
import { endOf } from '../log/log-position.ts'
import { readAfter } from '../log/read-after.ts'

interface TailerNeeds {
  readonly store: Pick<Store, 'db' | 'onCommit'>
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Limits
  /** The number of subscriptions; without them no events are read. */
  readonly countSubscribers: () => number
  /** Called with events in order, with none at the end of the log; when it returns, `position` advances. */
  readonly distribute: (rows: readonly EventRow[]) => void
  /** Called when events at or before `position` were replaced by others, before it changes. */
  readonly onSetBack: () => void
}

export class Tailer {
  readonly #needs: TailerNeeds
  readonly #loop: PollLoop
  #stopListening: (() => void) | undefined
  #position: LogPosition | undefined

  constructor(needs: TailerNeeds) {
    this.#needs = needs
    this.#loop = createPollLoop({
      name: 'event tailer',
      pollMs: needs.limits.events.pollMs,
      limits: needs.limits,
      log: needs.log,
      metrics: needs.metrics,
      // At once, but after other work: readers run between two batches, or a burst would make them appear slow.
      poll: async () => ((await this.#step()) ? 0 : undefined),
      logFields: () => ({ position: this.#position?.seq }),
    })
  }

  /**
   * The last event passed to `distribute`. Changes only together with such a call, or while there are no subscriptions.
   */
  get position(): LogPosition {
    if (this.#position === undefined) throw new Error('the tailer was not started')
    return this.#position
  }

  async start(): Promise<void> {
    this.#position = endOf(await events.requireLog(this.#needs.store.db))
    this.#stopListening = this.#needs.store.onCommit(() => {
      // Without subscriptions no one needs the events: the position moves once per poll interval. A new subscription starts at the end of
      // the log, or reads up to it.
      if (this.#needs.countSubscribers() > 0) this.#loop.pollSoon()
    })
    this.#loop.pollSoon()
  }

  /** Reads and distributes the events that were committed before. */
  async stop(): Promise<void> {
    this.#stopListening?.()
    await this.#loop.stop()
    await this.#finish()
  }

  async #finish(): Promise<void> {
    try {
      const { last_seq: end } = await events.requireLog(this.#needs.store.db)
      while (this.position.seq < end && (await this.#step())) await setImmediate()
    } catch (error) {
      this.#needs.metrics.backgroundErrors.inc({ loop: 'event tailer' })
      this.#needs.log.error({ err: error, position: this.#position?.seq }, 'the last events could not be read')
    }
  }

  /** Reads and distributes one batch. Returns whether there may be more. */
  async #step(): Promise<boolean> {
    const { store, limits, countSubscribers, distribute } = this.#needs
    if (countSubscribers() === 0) {
      const logRow = await events.requireLog(store.db)
      // A subscription that joined while we read needs the events in between: one may report that its key was revoked.
      if (countSubscribers() > 0) return true
      this.#position = endOf(logRow)
      distribute([])
      return false
    }
    const rows = await readAfter(store.db, this.position, limits.events.batchMax)
    if (!rows) return this.#beginAgain()
    if (rows.length === 0) distribute(rows)
    // In turns: each event wakes each of its readers, and there may be thousands.
    for (let at = 0; at < rows.length; ) {
      if (at > 0) await setImmediate()
      const slice = rows.slice(at, at + Math.max(1, Math.floor(limits.events.turnOffersMax / countSubscribers())))
      distribute(slice)
      const last = slice.at(-1)!
      this.#position = { seq: last.seq, eventId: last.event_id }
      at += slice.length
    }
    return rows.length === limits.events.batchMax
  }

  async #beginAgain(): Promise<true> {
    const end = endOf(await events.requireLog(this.#needs.store.db))
    const about = { position: this.position.seq, end: end.seq }
    this.#needs.log.warn(about, 'the event log was set back, to a backup or to a standby without its last events')
    this.#needs.onSetBack()
    this.#position = end
    return true
  }
}
