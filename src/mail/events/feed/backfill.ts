/**
 * Reads past events for one subscriber from the table, page by page and only as fast as the subscriber reads. However
 * far back it starts, it needs one page of memory, which its backlog counts, and never delays other subscribers.
 */

import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import * as events from '../../../store/tables/events-table.ts'
import { type ReadEventsNeeds, readEvents } from '../history/read-events.ts'
import type { Event } from '../log/event.ts'
import type { Subscription } from './subscription.ts'

interface BackfillNeeds extends ReadEventsNeeds {
  /** Returns the seq up to which the live feed has sent; it sends all later events. */
  readonly position: () => number
  readonly limits: ReadEventsNeeds['limits'] & Limits
}

/**
 * Sends the events between the subscription's start and the live feed, then cuts over: when this returns, the
 * subscription is live (or has ended), without a gap between the events sent here and those of the live feed.
 *
 * @throws cursor_expired when retention has purged events that it had not read yet
 */
export async function* backfill(
  subscription: Subscription,
  { store, position, limits }: BackfillNeeds,
): AsyncGenerator<Event, void> {
  const { filter } = subscription
  let { seq } = subscription.sent
  let { last_seq: end } = await events.requireLog(store.db)
  while (!subscription.isEnded) {
    // Read to the end of the log if the live feed lags behind: otherwise the feed would offer all these events at once.
    end = Math.max(end, position())
    if (seq >= end) {
      // Synchronously after the comparison: the live feed cannot send between the two. All events up to `seq` were sent
      // here, and all events after `position`, which is at most `seq`, will still be offered.
      subscription.goLive(seq)
      return
    }
    const request = { filter, afterSeq: seq, endSeq: end, limit: limits.events.backfillBatchMax }
    const range = await readEvents(request, { store, limits })
    if (subscription.isEnded) return // while the page was read: it would never be released
    subscription.countPage({ bytes: range.bytes, bytesPerReader: 0, readerCount: 0 })
    for (const event of range.events) {
      if (subscription.isEnded) return
      yield subscription.markSent(event)
    }
    if (subscription.isEnded) return
    subscription.countPage(undefined)
    seq = range.throughSeq
    end = range.lastSeq
    await setImmediate() // yield to the event loop
  }
}
