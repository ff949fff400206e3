/**
 * Events over HTTP: pages of the log, oldest first, for clients without a socket. A page contains the events that a
 * WebSocket with the same filter receives, with the same cursors. If there are none, a request can wait for the first.
 *
 *   start position (cursor, time) → read a range of the log → estimate sizes, reserve memory → render batch by batch
 *     → page and the cursor to continue from
 *
 * The cursor also advances over events that were read but did not match, so that a client never reads the same range
 * twice. If the cursor in the response is unchanged, the client has reached the end. A request that waits reads a large
 * log with pauses, and is answered with the position that it has reached when its time is over. Must not: know the JSON
 * of an event (the caller renders it).
 */

import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import { recheckAccess } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import type { BodyMemory } from '../../access/body-memory.ts'
import type { Feed } from '../feed/feed.ts'
import { queryOrWait, type RequestWait } from '../feed/long-poll.ts'
import { type CheckedFilter, checkEventFilter, type EventFilter } from '../feed/subscription-filter.ts'
import type { Event } from '../log/event.ts'
import { cursorAt, parsePosition } from '../log/log-position.ts'
import { lastSeqBefore } from '../log/seq-at-time.ts'
import { readEvents } from './read-events.ts'

/**
 * A subscription filter with a time range and a page size. `after` defaults to "earliest", the oldest retained event.
 */
export interface EventQuery extends EventFilter {
  /** At most limits.events.pageMax; a larger value is reduced to it. */
  readonly limit?: number | undefined
  /** Epoch ms, inclusive. */
  readonly start?: number | undefined
  /** Epoch ms, exclusive. */
  readonly end?: number | undefined
}

export interface EventPage {
  /** One text per event, as returned by `render`. */
  readonly texts: readonly Buffer[]
  /** The cursor to continue from. */
  readonly cursor: string
}

/** Renders events for the caller of a page. */
export interface EventRenderer {
  /** Estimates the bytes of each text, in the order of the events, without loading what makes them large. */
  sizesOf(events: readonly Event[]): Promise<readonly number[]>
  /**
   * Returns the texts, in the order of the events; an event without a text is skipped. It may be called again for the
   * same events.
   */
  render(events: readonly Event[]): Promise<readonly (Buffer | undefined)[]>
}

export interface EventPages {
  /**
   * @param memory for the texts of a large page. None is used while the request waits for an event
   * @throws as Feed.subscribe, too_many_responses, and what `renderer` throws; unknown_api_key, forbidden or not_found when
   *   the actor lost its access while the request waited
   */
  read(
    actor: Actor,
    query: EventQuery,
    renderer: EventRenderer,
    wait: RequestWait,
    memory: BodyMemory,
  ): Promise<EventPage>
}

interface EventPagesNeeds {
  readonly store: Pick<Store, 'db' | 'epoch' | 'transaction'>
  readonly feed: Feed
  readonly clock: () => number
  readonly limits: Limits
}

/** The range that a request reads: from the last event that the client has to the end of the log or time range. */
interface RequestedRange {
  readonly filter: CheckedFilter
  readonly limit: number
  readonly times: { readonly from: number | undefined; readonly before: number | undefined }
  readonly afterSeq: number
  /** The cursor of `afterSeq`. */
  readonly cursor: string
  /** undefined: the end of the log. */
  readonly endSeq: number | undefined
}

/** A page, and the position up to which it was read. */
interface FilledPage extends EventPage {
  readonly seq: number
  /** Whether there is nothing more to read now. */
  readonly isEnd: boolean
}

export function createEventPages({ store, feed, clock, limits }: EventPagesNeeds): EventPages {
  return {
    async read(actor, query, renderer, wait, memory) {
      const requested = await requestedRange(actor, query)
      const waitMs = isPast(query.end) ? 0 : wait.waitMs
      let position = { seq: requested.afterSeq, cursor: requested.cursor }
      const readPage = (afterSeq: number) => renderPage(requested, afterSeq, renderer, { memory, recheck })
      const recheck = async () => {
        await recheckAccess(store, actor, [])
        await checkFilter(actor, query)
      }

      /**
       * Reads to the end if the client waits, else one range. Returns undefined if what it read contains no event, and an
       * empty page if the time of the client is over before the end.
       */
      const waitsUntilMs = performance.now() + waitMs
      const nextPage = async (): Promise<EventPage | undefined> => {
        for (;;) {
          const { texts, isEnd, ...reached } = await readPage(position.seq)
          if (reached.seq > position.seq) position = reached
          if (texts.length > 0) return { texts, cursor: position.cursor }
          if (isEnd || waitMs === 0 || wait.disconnected.aborted || wait.draining.aborted) return undefined
          if (performance.now() >= waitsUntilMs) return { texts, cursor: position.cursor }
          await delay(limits.events.searchPauseMs)
        }
      }
      const page = await queryOrWait(actor, query, { ...wait, waitMs }, nextPage, { feed, store })
      return page ?? { texts: [], cursor: position.cursor }
    },
  }

  /** @throws validation_error, missing_permission, not_found, cursor_expired */
  async function requestedRange(actor: Actor, query: EventQuery): Promise<RequestedRange> {
    const filter = await checkFilter(actor, query)
    const logRow = await events.requireLog(store.db)
    const { after = 'earliest', start, end } = query
    const { seq: afterSeq } = await parsePosition(store, after, logRow)
    const startSeq = start === undefined ? 0 : await lastSeqBefore(store.db, start - limits.events.disorderMs, logRow)
    const endSeq =
      end === undefined ? logRow.last_seq : await lastSeqBefore(store.db, end + limits.events.disorderMs, logRow)
    const fromSeq = Math.max(afterSeq, startSeq)
    return {
      filter,
      limit: Math.min(query.limit ?? limits.events.pageDefault, limits.events.pageMax),
      times: { from: start, before: end },
      afterSeq: fromSeq,
      cursor: await cursorAt(store, fromSeq, logRow),
      endSeq: endSeq < logRow.last_seq ? Math.max(afterSeq, endSeq) : undefined, // at the end of the log, more may follow
    }
  }

  function checkFilter(actor: Actor, query: EventQuery): Promise<CheckedFilter> {
    const owner = { owner: 'request', idsMax: limits.events.subscriptionIdsMax } as const
    return checkEventFilter(actor, query, { db: store.db, ...owner })
  }

  /** @param isReserved whether the memory for a large page is reserved */
  async function renderPage(
    requested: RequestedRange,
    afterSeq: number,
    renderer: EventRenderer,
    { memory, recheck }: { readonly memory: BodyMemory; readonly recheck: () => Promise<void> },
    isReserved = false,
  ): Promise<FilledPage> {
    const { last_seq } = await events.requireLog(store.db)
    const endSeq = requested.endSeq ?? last_seq
    const range = await readEvents({ ...requested, afterSeq, endSeq }, { store, limits })
    const sizes = await renderer.sizesOf(range.events)
    const texts: Buffer[] = []
    let bytes = 0
    let last: Event | undefined
    for (let from = 0; from < range.events.length; ) {
      const { count, expectedBytes } = nextBatch(sizes, from, limits.events.pageBytesMax - bytes)
      const batch = range.events.slice(from, from + count)
      const mustReserve = (more: number) => !isReserved && bytes + more > memory.freeBytes
      let rendered = mustReserve(expectedBytes) ? undefined : await renderer.render(batch)
      if (rendered && mustReserve(sizeOf(rendered))) rendered = undefined // it occupies no memory while the request waits
      if (!rendered) {
        isReserved = true
        if (await memory.reserve(limits.events.pageBytesMax)) {
          await recheck()
          return renderPage(requested, afterSeq, renderer, { memory, recheck }, true) // what was rendered may have changed
        }
        rendered = await renderer.render(batch)
      }
      for (const [index, event] of batch.entries()) {
        const text = rendered[index]
        bytes += text?.length ?? 0
        if (last && texts.length > 0 && bytes > limits.events.pageBytesMax) {
          return { texts, seq: last.seq, cursor: last.cursor, isEnd: false }
        }
        if (text !== undefined) texts.push(text)
        last = event
      }
      from += count
      await setImmediate() // yield to the event loop
    }
    if (isReserved && texts.length === 0) await memory.reserve(0) // the request may wait for an event
    return { texts, seq: range.throughSeq, cursor: range.cursor, isEnd: range.throughSeq >= endSeq }
  }

  /** Returns how many events to render together: at least one, and otherwise what should fit into the page. */
  function nextBatch(sizes: readonly number[], from: number, bytesMax: number) {
    const { renderBatchMax, renderBatchBytesMax } = limits.events
    let expectedBytes = sizes[from]!
    let count = 1
    while (count < renderBatchMax && from + count < sizes.length) {
      const more = expectedBytes + sizes[from + count]!
      if (more > Math.min(renderBatchBytesMax, bytesMax)) break
      expectedBytes = more
      count += 1
    }
    return { count, expectedBytes }
  }

  /** Whether no more events before `end` can be committed. */
  function isPast(end: number | undefined): boolean {
    return end !== undefined && clock() >= end + limits.events.disorderMs
  }
}

function sizeOf(texts: readonly (Buffer | undefined)[]): number {
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 0)
}
