/**
 * Events over HTTP: pages of the log, oldest first, for clients without a socket. A page contains the events that a
 * WebSocket with the same filter receives, with the same cursors. If there are none, a request can wait for the first.
 *
 *   start position (cursor, time) → read a range of the log → render each event → page and the cursor to continue from
 *
 * The cursor also advances over events that were read but did not match, so that a client never reads the same range
 * twice. If the cursor in the response is unchanged, the client has reached the end. Must not: know the JSON of an
 * event (the caller renders it).
 */

import { setImmediate } from 'node:timers/promises'
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

export interface EventPages {
  /**
   * @param render renders an event for the caller; if it returns undefined, the event is skipped. It may be called
   *   again for the same event
   * @param memory for the texts of a large page. None is used while the request waits for an event
   * @throws as Feed.subscribe, too_many_responses, and what `render` throws; unknown_api_key, forbidden or not_found when
   *   the actor lost its access while the request waited
   */
  read(
    actor: Actor,
    query: EventQuery,
    render: (event: Event) => Promise<Buffer | undefined>,
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
    async read(actor, query, render, wait, memory) {
      const requested = await requestedRange(actor, query)
      const waitMs = isPast(query.end) ? 0 : wait.waitMs
      let position = { seq: requested.afterSeq, cursor: requested.cursor }
      const readPage = (afterSeq: number) => renderPage(requested, afterSeq, render, { memory, recheck })
      const recheck = async () => {
        await recheckAccess(store, actor, [])
        await checkFilter(actor, query)
      }

      /** Reads to the end if the client waits, else one range. Returns undefined if what it read contains no event. */
      const nextPage = async (): Promise<EventPage | undefined> => {
        for (;;) {
          const { texts, isEnd, ...reached } = await readPage(position.seq)
          if (reached.seq > position.seq) position = reached
          if (texts.length > 0) return { texts, cursor: position.cursor }
          if (isEnd || waitMs === 0 || wait.disconnected.aborted || wait.draining.aborted) return undefined
          await setImmediate() // yield to the event loop
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
    render: (event: Event) => Promise<Buffer | undefined>,
    { memory, recheck }: { readonly memory: BodyMemory; readonly recheck: () => Promise<void> },
    isReserved = false,
  ): Promise<FilledPage> {
    const { last_seq } = await events.requireLog(store.db)
    const endSeq = requested.endSeq ?? last_seq
    const range = await readEvents({ ...requested, afterSeq, endSeq }, { store, limits })
    const texts: Buffer[] = []
    let bytes = 0
    let last: Event | undefined
    for (const event of range.events) {
      let text = await render(event)
      if (text && !isReserved && bytes + text.length > memory.freeBytes) {
        text = undefined // it occupies no memory while the request waits for some
        isReserved = true
        if (await memory.reserve(limits.events.pageBytesMax)) {
          await recheck()
          return renderPage(requested, afterSeq, render, { memory, recheck }, true) // what was rendered may have changed
        }
        text = await render(event)
      }
      bytes += text?.length ?? 0
      if (last && texts.length > 0 && bytes > limits.events.pageBytesMax) {
        return { texts, seq: last.seq, cursor: last.cursor, isEnd: false }
      }
      if (text !== undefined) texts.push(text)
      last = event
    }
    if (isReserved && texts.length === 0) await memory.reserve(0) // the request may wait for an event
    return { texts, seq: range.throughSeq, cursor: range.cursor, isEnd: range.throughSeq >= endSeq }
  }

  /** Whether no more events before `end` can be committed. */
  function isPast(end: number | undefined): boolean {
    return end !== undefined && clock() >= end + limits.events.disorderMs
  }
}
