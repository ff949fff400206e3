/**
 * Removes old events: most after limits.eventRetentionMs, label changes later (limits.labelEventRetentionMs), since an
 * inbox's history of labels is asked for by itself.
 *
 *   from the floor up, a chunk at a time: remove what is too old, raise the floor with it → then old label events
 *
 * A cursor below the floor is answered `cursor_expired`, never with a gap; the floor is raised in the transaction that
 * removes, so the two cannot disagree. Crash or stop between two chunks: the next sweep goes on. Two nodes at once remove
 * the same rows once.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Store } from '../../store/store.ts'
import * as events from '../../store/tables/events.ts'

interface RetentionNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly clock: () => number
  /** Up to where durable readers have read; what they have not stays. undefined: nobody waits for any. */
  readonly readThrough?: () => number | undefined
  readonly limits: {
    readonly eventRetentionMs: number
    readonly labelEventRetentionMs: number
    readonly eventSweepRows: number
    readonly eventSweepRestMs: number
  }
}

/**
 * One sweep. Rows are looked at in order of `seq` and the sweep ends at the first that is young enough: times may be
 * a little out of order, and what that leaves goes next time.
 *
 * @param signal ends it after the chunk under way
 * @returns how many events were removed
 */
export async function sweepEvents(needs: RetentionNeeds, signal: AbortSignal): Promise<number> {
  const { store, clock, limits } = needs
  const now = clock()
  const throughSeq = needs.readThrough?.() ?? Number.POSITIVE_INFINITY
  const { floor_seq } = await events.requireLog(store.db)
  const removed = await sweep(floor_seq, now - limits.eventRetentionMs, (row) => !isLabelEvent(row))
  // What is left below the floor are label events. They never go earlier than the rest, or the floor would lie.
  const labelRetentionMs = Math.max(limits.labelEventRetentionMs, limits.eventRetentionMs)
  return removed + (await sweep(0, now - labelRetentionMs, isLabelEvent))

  async function sweep(fromSeq: number, before: number, isDue: (row: events.EventAge) => boolean): Promise<number> {
    let seq = fromSeq
    let count = 0
    while (!signal.aborted) {
      const chunk = await events.listAges(store.db, seq, limits.eventSweepRows)
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
      if (old.length < limits.eventSweepRows) break
      await delay(limits.eventSweepRestMs)
    }
    return count
  }
}

function isLabelEvent(row: events.EventAge): boolean {
  return row.type.startsWith('label.')
}
