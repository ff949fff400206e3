/**
 * Long polls: waits until an event changes the result of a query, without a gap between the query and the wait.
 *
 *   subscribe → query → no result → an event → query → … → timeout → query once more
 *
 * An event of the feed is only a signal: the result is always that of `query`, so it does not depend on the time of the
 * request. Stop: `draining` aborts and the query runs once more, so that the response contains a cursor.
 */
import { MailError } from '../../../errors.ts'
import type { Store } from '../../../store/store.ts'
import { assertKeyUnchanged } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import type { Feed } from './feed.ts'
import { SubscriptionEnded } from './subscription.ts'
import type { EventFilter } from './subscription-filter.ts'

/** How long a request waits. */
export interface RequestWait {
  /** 0: it does not wait. */
  readonly waitMs: number
  /** Aborts when the client has disconnected. */
  readonly disconnected: AbortSignal
  /** Aborts when the server must respond now. */
  readonly draining: AbortSignal
}

interface QueryOrWaitNeeds {
  readonly feed: Feed
  readonly store: Pick<Store, 'transaction'>
}

/**
 * @param eventFilter the events that trigger a new query; `query` itself handles a cursor
 * @param query runs once; undefined: no result. It is called repeatedly, so it should remember how far it has read
 * @returns the result of the last query
 * @throws as Feed.subscribe and `query`; unknown_api_key or forbidden when the key was revoked or changed meanwhile;
 *   cursor_expired when the log was set back
 */
export async function queryOrWait<Found>(
  actor: Actor,
  { eventTypes, inboxIds, podIds }: EventFilter,
  { waitMs, disconnected, draining }: RequestWait,
  query: () => Promise<Found | undefined>,
  { feed, store }: QueryOrWaitNeeds,
): Promise<Found | undefined> {
  if (waitMs === 0 || draining.aborted) return query()
  const over = new AbortController()
  const stopWaiting = () => over.abort('over')
  const timer = setTimeout(stopWaiting, waitMs)
  for (const signal of [disconnected, draining]) signal.addEventListener('abort', stopWaiting)
  if (disconnected.aborted) stopWaiting()

  try {
    for (;;) {
      try {
        const signals = await feed.subscribe(actor, { eventTypes, inboxIds, podIds }, over.signal)
        const found = await query()
        if (found !== undefined) return found
        for await (const _signal of signals) {
          const found = await query()
          if (found !== undefined) return found
        }
        return disconnected.aborted ? undefined : await query()
      } catch (error) {
        if (!(error instanceof SubscriptionEnded)) throw error
        if (error.reason === 'revoked') await refuse()
        if (error.reason === 'stopping') return await query()
        // The position up to which `query` has read is no longer that of its last event.
        if (error.reason === 'set_back') throw new MailError('cursor_expired', {})
        // Too slow: during the query, more events arrived than the buffer holds. Subscribe and query again.
      }
    }
  } finally {
    clearTimeout(timer)
    for (const signal of [disconnected, draining]) signal.removeEventListener('abort', stopWaiting)
    stopWaiting() // ends the subscription
  }

  /** Throws the same error that the next request with this key would get. */
  async function refuse(): Promise<never> {
    await store.transaction((tx) => assertKeyUnchanged(tx, actor))
    throw new MailError('unknown_api_key', {})
  }
}
