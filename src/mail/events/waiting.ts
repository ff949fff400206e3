/**
 * Waiting for something that an event may bring, with no gap between looking and waiting.
 *
 *   subscribe → look → nothing there → an event → look → … → time over → look once more
 *
 * The feed is only the bell: what is found is found by looking, so that it is the same whenever somebody looks. Stop: who
 * waits is told to hurry and looks once more, so that it can be answered with its place in the log.
 */
import { MailError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import { confirm } from '../access/access.ts'
import type { Actor } from '../access/actor.ts'
import { type Feed, FeedEnded, type Interest } from './event.ts'

/** How long somebody waits. */
export interface Patience {
  /** 0: not at all. */
  readonly waitMs: number
  /** Aborts when nobody waits for the answer any more. */
  readonly gone: AbortSignal
  /** Aborts when the answer must be given now. */
  readonly hurry: AbortSignal
}

interface WaitingNeeds {
  readonly feed: Feed
  readonly store: Pick<Store, 'transaction'>
}

/**
 * @param interest in what rings; where its cursor is, if it has one, is the business of `look`
 * @param look what is there now; undefined for nothing. It is called again and again, so it remembers how far it has looked
 * @returns what the last look found
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
        // Too slow: it rang more often than is kept while we looked. Listen again, and look.
      }
    }
  } finally {
    clearTimeout(timer)
    for (const signal of [gone, hurry]) signal.removeEventListener('abort', stopWaiting)
    stopWaiting() // ends the subscription
  }

  /** In the words that the next request with this key would hear. */
  async function refuse(): Promise<never> {
    await store.transaction((tx) => confirm(tx, actor))
    throw new MailError('unknown_api_key', {})
  }
}
