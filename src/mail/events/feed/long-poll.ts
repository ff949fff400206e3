/**
 * Long polls: waits for a result that an event may bring, without a gap between the query and the wait.
 *
 *   subscribe → query → no result → an event → query → … → timeout → query once more
 *
 * An event of the feed is only a signal: the result always comes from the query (`look`), so that it does not depend on
 * when the client asks. Stop: `hurry` aborts and the query runs once more, so that the response contains a cursor.
 */
import { MailError } from '../../../errors.ts'
import type { Store } from '../../../store/store.ts'
import { confirm } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import { type Feed, FeedEnded, type Interest } from '../log/event.ts'

/** How long a request waits. */
export interface Patience {
  /** 0: it does not wait. */
  readonly waitMs: number
  /** Aborts when the client has disconnected. */
  readonly gone: AbortSignal
  /** Aborts when the request must be answered now. */
  readonly hurry: AbortSignal
}

interface WaitingNeeds {
  readonly feed: Feed
  readonly store: Pick<Store, 'transaction'>
}

/**
 * @param interest the events that trigger a new query; `look` itself handles a cursor
 * @param look queries once; undefined: no result. It is called repeatedly, so it should remember how far it has read
 * @returns the result of the last query
 * @throws as Feed.subscribe and `look`; unknown_api_key or forbidden when the key was revoked or changed meanwhile
 */
export async function lookOrWait<Found>(
  actor: Actor,
  { eventTypes, inboxIds, podIds }: Interest,
  { waitMs, gone, hurry }: Patience,
  look: () => Promise<Found | undefined>,
  { feed, store }: WaitingNeeds,
): Promise<Found | undefined> {
  if (waitMs === 0 || hurry.aborted) return look()
  const over = new AbortController()
  const stopWaiting = () => over.abort()
  const timer = setTimeout(stopWaiting, waitMs)
  for (const signal of [gone, hurry]) signal.addEventListener('abort', stopWaiting)
  if (gone.aborted) stopWaiting()

  try {
    for (;;) {
      try {
        const rings = await feed.subscribe(actor, { eventTypes, inboxIds, podIds }, over.signal)
        const found = await look()
        if (found !== undefined) return found
        for await (const _ring of rings) {
          const found = await look()
          if (found !== undefined) return found
        }
        return gone.aborted ? undefined : await look()
      } catch (error) {
        if (!(error instanceof FeedEnded)) throw error
        if (error.reason === 'revoked') await refuse()
        if (error.reason === 'stopping') return await look()
        // Too slow: during the query, more events arrived than the buffer holds. Subscribe and query again.
      }
    }
  } finally {
    clearTimeout(timer)
    for (const signal of [gone, hurry]) signal.removeEventListener('abort', stopWaiting)
    stopWaiting() // ends the subscription
  }

  /** Throws the same error that the next request with this key would get. */
  async function refuse(): Promise<never> {
    await store.transaction((tx) => confirm(tx, actor))
    throw new MailError('unknown_api_key', {})
  }
}
