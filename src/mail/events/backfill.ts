/**
 * Events of the past for one subscriber, from the table, a page at a time and only as fast as it reads them: however far
 * back it starts, it costs one page of memory, which its backlog counts, and never holds up anybody else.
 */
import { setImmediate } from 'node:timers/promises'
import * as events from '../../store/tables/events.ts'
import type { Event } from './event.ts'
import { readStretch, type StretchNeeds } from './stretch.ts'
import type { Subscription } from './subscription.ts'

interface BackfillNeeds extends StretchNeeds {
  /** Up to where the live feed has told; what comes after it is the live feed's. */
  readonly position: () => number
  readonly limits: StretchNeeds['limits'] & { readonly backfillBatchMax: number }
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
    const request = { filter, afterSeq: seq, endSeq: end, limit: limits.backfillBatchMax }
    const stretch = await readStretch(request, { store, limits })
    if (subscription.isEnded) return // while the page was read: it would never be released
    subscription.keepPage({ bytes: stretch.bytes, bytesEach: 0, holders: 0 })
    for (const event of stretch.events) {
      if (subscription.isEnded) return
      yield subscription.tell(event)
    }
    if (subscription.isEnded) return
    subscription.keepPage(undefined)
    seq = stretch.throughSeq
    end = stretch.lastSeq
    await setImmediate() // others' turn
  }
}
