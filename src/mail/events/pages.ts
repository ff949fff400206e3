/**
 * Events by request: pages of the log, oldest first, for whoever has no socket. What a WebSocket with the same filters is
 * told, under the same cursors; a page that would be empty can wait for its first event.
 *
 *   where to begin (cursor, time) → a stretch of the log → words for each event → page and the place to go on from
 *
 * The place moves over what was looked at and not wanted, so that nobody reads the same stretch twice. A cursor that comes
 * back unchanged is at the end of what is there. Must not: know how an event looks (whoever asks words it).
 */
import { setImmediate } from 'node:timers/promises'
import type { Store } from '../../store/store.ts'
import * as events from '../../store/tables/events.ts'
import type { Actor } from '../access/actor.ts'
import type { Event, Feed, Interest } from './event.ts'
import { checkInterest, type Filter } from './interest.ts'
import { cursorAt, requirePosition } from './position.ts'
import { lastSeqBefore } from './range.ts'
import { readStretch } from './stretch.ts'
import { lookOrWait, type Patience } from './waiting.ts'

/** An interest, of which `after` left out means the oldest event that is kept. */
export interface EventQuery extends Interest {
  /** Cut to limits.eventPageMax. */
  readonly limit?: number | undefined
  /** Epoch ms, inclusive. */
  readonly start?: number | undefined
  /** Epoch ms, exclusive. */
  readonly end?: number | undefined
}

export interface EventPage {
  /** One text an event, as `word` gave it. */
  readonly texts: readonly string[]
  /** Where to go on from. */
  readonly cursor: string
}

export interface EventPages {
  /**
   * @param word an event in the asker's words; undefined when it has none, then the event is passed over
   * @throws as Feed.subscribe, and what `word` throws
   */
  read(
    actor: Actor,
    query: EventQuery,
    word: (event: Event) => Promise<string | undefined>,
    patience: Patience,
  ): Promise<EventPage>
}

interface EventPagesNeeds {
  readonly store: Pick<Store, 'db' | 'epoch' | 'transaction'>
  readonly feed: Feed
  readonly clock: () => number
  readonly limits: {
    readonly subscriptionIdsMax: number
    readonly listScanRowsMax: number
    readonly eventPageDefault: number
    readonly eventPageMax: number
    readonly eventPageBytesMax: number
    readonly eventDisorderMs: number
  }
}

/** What a request reads: from the last event that its reader knows to the end of the log, or of its time. */
interface Reach {
  readonly filter: Filter
  readonly limit: number
  readonly times: { readonly from: number | undefined; readonly before: number | undefined }
  readonly afterSeq: number
  /** Of that place. */
  readonly cursor: string
  /** undefined: the end of the log. */
  readonly endSeq: number | undefined
}

export function createEventPages({ store, feed, clock, limits }: EventPagesNeeds): EventPages {
  return {
    async read(actor, query, word, patience) {
      const reach = await reachOf(actor, query)
      const waitMs = isPast(query.end) ? 0 : patience.waitMs
      let place = { seq: reach.afterSeq, cursor: reach.cursor }

      /** Everything up to the end where somebody waits for it, else one stretch. undefined: nothing up to the end. */
      const look = async (): Promise<EventPage | undefined> => {
        for (;;) {
          const { texts, isEnd, ...reached } = await readPage(reach, place.seq, word)
          if (reached.seq > place.seq) place = reached
          if (texts.length > 0) return { texts, cursor: place.cursor }
          if (isEnd || waitMs === 0 || patience.gone.aborted || patience.hurry.aborted) return undefined
          await setImmediate() // others' turn
        }
      }
      const page = await lookOrWait(actor, query, { ...patience, waitMs }, look, { feed, store })
      return page ?? { texts: [], cursor: place.cursor }
    },
  }

  /** @throws validation_error, missing_permission, not_found, cursor_expired */
  async function reachOf(actor: Actor, query: EventQuery): Promise<Reach> {
    const filter = await checkInterest(actor, query, { db: store.db, limits })
    const log = await events.requireLog(store.db)
    const { after = 'earliest', start, end } = query
    const { seq: afterSeq } = await requirePosition(store, after, log)
    const startSeq = start === undefined ? 0 : await lastSeqBefore(store.db, start - limits.eventDisorderMs, log)
    const endSeq = end === undefined ? log.last_seq : await lastSeqBefore(store.db, end + limits.eventDisorderMs, log)
    const fromSeq = Math.max(afterSeq, startSeq)
    return {
      filter,
      limit: Math.min(query.limit ?? limits.eventPageDefault, limits.eventPageMax),
      times: { from: start, before: end },
      afterSeq: fromSeq,
      cursor: await cursorAt(store, fromSeq, log),
      endSeq: endSeq < log.last_seq ? Math.max(afterSeq, endSeq) : undefined, // at the log's end more may come
    }
  }

  async function readPage(reach: Reach, afterSeq: number, word: (event: Event) => Promise<string | undefined>) {
    const { last_seq } = await events.requireLog(store.db)
    const endSeq = reach.endSeq ?? last_seq
    const stretch = await readStretch({ ...reach, afterSeq, endSeq }, { store, limits })
    const texts: string[] = []
    let bytes = 0
    let last: Event | undefined
    for (const event of stretch.events) {
      const text = await word(event)
      bytes += text === undefined ? 0 : Buffer.byteLength(text)
      if (last && texts.length > 0 && bytes > limits.eventPageBytesMax) {
        return { texts, seq: last.seq, cursor: last.cursor, isEnd: false }
      }
      if (text !== undefined) texts.push(text)
      last = event
    }
    return { texts, seq: stretch.throughSeq, cursor: stretch.cursor, isEnd: stretch.throughSeq >= endSeq }
  }

  /** Whether nothing of that time can come any more. */
  function isPast(end: number | undefined): boolean {
    return end !== undefined && clock() >= end + limits.eventDisorderMs
  }
}
