/**
 * Purges old events: most after limits.events.retentionMs, label events later (limits.events.labelRetentionMs), because
 * the label history of an inbox has its own API.
 *
 *   from the floor upwards, in chunks: delete old events and raise the floor → then old label events
 *
 * A cursor below the floor gets `cursor_expired`, never a gap; the floor is raised in the same transaction as the
 * deletion, so they always agree. Crash or stop between two chunks: the next sweep continues. Two nodes at the same
 * time are safe: each row is deleted once.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'

interface RetentionNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly clock: () => number
  /**
   * Returns the seq up to which durable consumers have read; later events are kept. undefined: there is no consumer.
   */
  readonly readThrough?: () => number | undefined
  readonly limits: Limits
}

/**
 * Runs one sweep. Rows are read in order of `seq`, and the sweep ends at the first one that is young enough. Times may
 * be slightly out of order; the next sweep deletes old rows that remain because of this.
 *
 * @param signal ends the sweep after the current chunk
 * @returns how many events were deleted
 */
export async function sweepEvents(needs: RetentionNeeds, signal: AbortSignal): Promise<number> {
  const { store, clock, limits } = needs
  const now = clock()
  const throughSeq = needs.readThrough?.() ?? Number.POSITIVE_INFINITY
  const { floor_seq } = await events.requireLog(store.db)
  const removed = await sweep(floor_seq, now - limits.events.retentionMs, (row) => !isLabelEvent(row))
  // Below the floor only label events are left. Purged earlier than other events, they would make the floor wrong.
  const labelRetentionMs = Math.max(limits.events.labelRetentionMs, limits.events.retentionMs)
  return removed + (await sweep(0, now - labelRetentionMs, isLabelEvent))

  async function sweep(fromSeq: number, before: number, isDue: (row: events.EventAge) => boolean): Promise<number> {
    let seq = fromSeq
    let count = 0
    while (!signal.aborted) {
      const chunk = await events.listAges(store.db, seq, limits.events.sweepRows)
      const young = chunk.findIndex((row) => row.at >= before || row.seq > throughSeq)
      const old = young < 0 ? chunk : chunk.slice(0, young)
      const last = old.at(-1)
      if (last) {
        const due = old.filter(isDue).map((row) => row.seq)
        await store.transaction(async (tx) => {
          await events.remove(tx, due)
          await events.raiseFloor(tx, last)
        })
        seq = last.seq
        count += due.length
      }
      if (old.length < limits.events.sweepRows) break
      await delay(limits.events.sweepPauseMs)
    }
    return count
  }
}

function isLabelEvent(row: events.EventAge): boolean {
  return row.type.startsWith('label.')
}
