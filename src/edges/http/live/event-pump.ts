/**
 * The event pump: sends the events of the feed to one connected client, over a WebSocket or an event stream, in order
 * and with back-pressure, and reports why it ended.
 *
 *   feed → event → render → write → … → wait while the client's buffer is full
 *
 * Slow client: no more events are pulled from the feed while the client's buffer exceeds
 *   `limits.sockets.bufferBytesMax` or `limits.sockets.bufferFramesMax`. The connection ends if nothing leaves the
 *   buffer for `limits.sockets.stallMs`, if the feed's own buffer overflows, or if the server's memory budget is
 *   exceeded and this client is the slowest (backlog-budget.ts). The client resumes with the cursor of the last event
 *   that it read and misses nothing.
 * Store unavailable: the event waits until it can be rendered. Most clients use no cursor and would miss the events
 *   between two connections.
 * Must not: decide what an actor may see (the feed does) or how an event is rendered (the dialect does).
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { isTemporary, MailError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import { SubscriptionEnded } from '../../../mail/events/feed/subscription.ts'
import type { Event } from '../../../mail/events/log/event.ts'
import type { Metrics } from '../../../metrics.ts'
import { retryPauseMs } from '../../../retry-pause.ts'
import type { WritePacer } from '../server/memory/write-pacer.ts'
import type { EncodedText } from './encoded-text.ts'
import type { Readiness } from './sink-writer.ts'

const RENDER_RETRY_FIRST_MS = 50

/** Returns the text of an event, or undefined if this dialect cannot represent it. */
export type Render = (event: Event) => EncodedText | undefined | Promise<EncodedText | undefined>

/** Why a client that is still connected gets no more events. */
export type Ending =
  | { readonly reason: SubscriptionEnded['reason'] | 'stalled' }
  /** cursor_expired: the client's position expired while it read past events; internal_error: an unexpected error. */
  | { readonly reason: 'failed'; readonly error: MailError }

interface EventPumpNeeds {
  readonly events: AsyncIterable<Event>
  readonly render: Render
  /** Resolves when more may be written, or the client has disconnected. */
  readonly write: (text: EncodedText, event: Event) => Promise<Readiness>
  /** Resolves when the next event may be written. */
  readonly settled?: () => Promise<unknown>
  readonly pacer: WritePacer
  /** Aborts when the client disconnects or replaces its subscription. */
  readonly signal: AbortSignal
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

/** @returns undefined when the signal aborted */
export async function pumpEvents(needs: EventPumpNeeds): Promise<Ending | undefined> {
  const { events, write, settled, pacer, signal, log, metrics } = needs
  try {
    for await (const event of events) {
      const text = await renderWithRetry(event, needs)
      const pause = text && pacer.take(text.bytes)
      if (pause) await pause
      await settled?.()
      if (signal.aborted) return undefined
      if (text === undefined) continue
      metrics.eventsSent.inc()
      if ((await write(text, event)) === 'stalled') return { reason: 'stalled' }
    }
    return undefined
  } catch (error) {
    if (signal.aborted) return undefined
    if (error instanceof SubscriptionEnded) return { reason: error.reason }
    if (error instanceof MailError) return { reason: 'failed', error }
    log.error({ err: error }, 'sending events to a subscriber failed')
    return { reason: 'failed', error: new MailError('internal_error', {}, { cause: error }) }
  }
}

/** @throws what `render` throws, except temporary errors, which are retried */
async function renderWithRetry(event: Event, needs: EventPumpNeeds): Promise<EncodedText | undefined> {
  const { render, signal, limits, log } = needs
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await render(event)
    } catch (error) {
      if (signal.aborted || !isTemporary(error)) throw error
      const pauseMs = retryPauseMs(attempts, RENDER_RETRY_FIRST_MS, limits.events.renderRetryMsMax)
      log.warn({ err: error, pauseMs }, 'rendering an event failed; will retry')
      await delay(pauseMs, undefined, { signal })
    }
  }
}
