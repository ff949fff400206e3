/**
 * Events of the past for one subscriber, from the table, a page at a time and only as fast as it reads them: however far
 * back it starts, it costs one page of memory and never holds up anybody else.
 */
import { setImmediate } from 'node:timers/promises'
import { MailError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import * as events from '../../store/tables/events.ts'
import { type Event, toEvent } from './event.ts'
import { permissionsToSee } from './event-types.ts'
import { isWanted, maySee } from './interest.ts'
import type { Subscription } from './subscription.ts'

interface BackfillNeeds {
  readonly store: Pick<Store, 'db' | 'epoch'>
  /** Up to where the live feed has told; what comes after it is the live feed's. */
  readonly position: () => number
  readonly limits: { readonly eventBatchMax: number; readonly listScanRowsMax: number }
}

/**
 * Tells what lies between the subscription's start and the live feed, then cuts over: when this returns, it is live (or
 * has ended) and nothing lies between what was told and what it will be offered.
 *
 * @throws cursor_expired when retention overtook it
 */
export async function* backfill(
  subscription: Subscription,
  { store, position, limits }: BackfillNeeds,
): AsyncGenerator<Event, void> {
  const { filter } = subscription
  let { seq } = subscription.told
  let { last_seq: end } = await events.requireLog(store.db)
  while (!subscription.isEnded) {
    // The log's own end counts too: where the live feed lags behind it, its lag would be offered all at once.
    end = Math.max(end, position())
    if (seq >= end) {
      // In one go with the comparison: nothing can be told live between the two. All up to `seq` was told here, and
      // all after `position`, which is not beyond it, is still to be offered.
      subscription.goLive(seq)
      return
    }
    // A bounded stretch of the log, however few events of it are wanted: a query holds up the whole process.
    const throughSeq = Math.min(seq + limits.listScanRowsMax, end)
    const selection = { ...filter, types: [...filter.types], afterSeq: seq, throughSeq }
    const rows = await events.listSelected(store.db, selection, limits.eventBatchMax)
    // Read after the page: what retention removes later than this was still in it.
    const log = await events.requireLog(store.db)
    if (log.floor_seq > seq) throw new MailError('cursor_expired', {})
    end = log.last_seq

    for (const row of rows) {
      const event = toEvent(row, store.epoch)
      if (!isWanted(filter, row) || !maySee(filter.actor, permissionsToSee(event.payload))) continue
      yield subscription.tell(event)
      if (subscription.isEnded) return
    }
    seq = rows.length === limits.eventBatchMax ? rows.at(-1)!.seq : throughSeq
    await setImmediate() // others' turn
  }
}
