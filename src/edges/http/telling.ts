/**
 * From the event feed to one reader that stays connected, for WebSockets and for streams alike: order, back-pressure, and
 * why it ended.
 *
 *   feed → event → render → write → … → wait while the reader's buffer is full
 *
 * Slow reader: nothing more is pulled from the feed while more than `limits.socketBufferBytesMax` wait for it. If none of it
 *   leaves for `limits.socketStallMs`, or the feed's own buffer runs over meanwhile, it is over. The reader comes back with
 *   the cursor of the last event it read and misses nothing.
 * Store away: the event waits until it can be rendered. Most clients know no cursor and would miss what happened between
 *   two connections.
 * Must not: decide what an actor may see (the feed does) or how an event looks (the dialect does).
 */
import { setTimeout as delay } from 'node:timers/promises'
import { MailError } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import type { Log } from '../../log.ts'
import { type Event, FeedEnded } from '../../mail/events/event.ts'
import type { Metrics } from '../../metrics.ts'

const RENDER_RETRY_FIRST_MS = 50

/** The text for an event, or undefined when this dialect has no words for it. */
export type Render = (event: Event) => string | undefined | Promise<string | undefined>

/** Why a reader is told no more, although it is still there. */
export type Ending =
  | { readonly reason: FeedEnded['reason'] | 'stalled' }
  /** cursor_expired: overtaken while reading the past; internal_error: nobody expected it. */
  | { readonly reason: 'failed'; readonly error: MailError }

interface TellingNeeds {
  readonly events: AsyncIterable<Event>
  readonly render: Render
  /** Resolves when there is room for more, or the reader is gone. */
  readonly write: (text: string, event: Event) => Promise<'ready' | 'stalled'>
  /** What must be over before the next event may be written. */
  readonly hold?: () => Promise<unknown>
  /** Aborts when the reader is gone, or wants something else. */
  readonly signal: AbortSignal
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

/** @returns undefined when the signal aborted */
export async function tellAll(needs: TellingNeeds): Promise<Ending | undefined> {
  const { events, write, hold, signal, log, metrics } = needs
  try {
    for await (const event of events) {
      const text = await renderPatiently(event, needs)
      await hold?.()
      if (signal.aborted) return undefined
      if (text === undefined) continue
      metrics.eventsTold.inc()
      if ((await write(text, event)) === 'stalled') return { reason: 'stalled' }
    }
    return undefined
  } catch (error) {
    if (signal.aborted) return undefined
    if (error instanceof FeedEnded) return { reason: error.reason }
    if (error instanceof MailError) return { reason: 'failed', error }
    log.error({ err: error }, 'event feed failed')
    return { reason: 'failed', error: new MailError('internal_error', {}, { cause: error }) }
  }
}

/** @throws what `render` throws, unless it may go well later */
async function renderPatiently(event: Event, needs: TellingNeeds): Promise<string | undefined> {
  const { render, signal, limits, log } = needs
  for (let pauseMs = RENDER_RETRY_FIRST_MS; ; pauseMs = Math.min(2 * pauseMs, limits.databaseRetryMaxMs)) {
    try {
      return await render(event)
    } catch (error) {
      if (signal.aborted || !(error instanceof MailError) || error.kind !== 'temporary') throw error
      log.warn({ err: error, pauseMs }, 'an event waits to be told')
      await delay(pauseMs, undefined, { signal })
    }
  }
}

/** The connection below a writer, whichever it is. */
export interface Outlet {
  /** @param done called when it has left this process, or never will */
  send(text: string, done: () => void): void
  isOpen(): boolean
  /** Bytes that wait to leave this process. */
  waitingBytes(): number
  onClose(done: () => void): void
}

export interface Writer {
  send(text: string): void
  /** Resolves when the buffer has room again, or the connection is closed, or nothing left it for too long. */
  write(text: string): Promise<'ready' | 'stalled'>
}

/** Writes and says when to write more. */
export function createWriter(outlet: Outlet, limits: Limits): Writer {
  let progressed: (() => void) | undefined
  outlet.onClose(() => progressed?.())
  const send = (text: string) => outlet.send(text, () => progressed?.())

  return {
    send,

    async write(text) {
      send(text)
      while (outlet.isOpen() && outlet.waitingBytes() > limits.socketBufferBytesMax) {
        const stalled = await new Promise<boolean>((resolve) => {
          const timer = setTimeout(resolve, limits.socketStallMs, true)
          progressed = () => {
            clearTimeout(timer)
            resolve(false)
          }
        })
        progressed = undefined
        if (stalled) return 'stalled'
      }
      return 'ready'
    },
  }
}
