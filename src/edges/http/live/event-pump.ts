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
import { MailError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import { type Event, FeedEnded } from '../../../mail/events/log/event.ts'
import type { Metrics } from '../../../metrics.ts'
import type { ConnectionBacklog } from '../server/backlog-budget.ts'
import type { WritePacer } from '../server/write-pacer.ts'
import type { EncodedText } from './encoded-text.ts'

const RENDER_RETRY_FIRST_MS = 50

/** Returns the text of an event, or undefined if this dialect cannot represent it. */
export type Render = (event: Event) => EncodedText | undefined | Promise<EncodedText | undefined>

/** Why a client that is still connected gets no more events. */
export type Ending =
  | { readonly reason: FeedEnded['reason'] | 'stalled' }
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
    if (error instanceof FeedEnded) return { reason: error.reason }
    if (error instanceof MailError) return { reason: 'failed', error }
    log.error({ err: error }, 'event feed failed')
    return { reason: 'failed', error: new MailError('internal_error', {}, { cause: error }) }
  }
}

/** @throws what `render` throws, except temporary errors, which are retried */
async function renderWithRetry(event: Event, needs: EventPumpNeeds): Promise<EncodedText | undefined> {
  const { render, signal, limits, log } = needs
  for (let pauseMs = RENDER_RETRY_FIRST_MS; ; pauseMs = Math.min(2 * pauseMs, limits.store.retryMaxMs)) {
    try {
      return await render(event)
    } catch (error) {
      if (signal.aborted || !(error instanceof MailError) || error.kind !== 'temporary') throw error
      log.warn({ err: error, pauseMs }, 'rendering an event failed; retrying')
      await delay(pauseMs, undefined, { signal })
    }
  }
}

/** The connection below a writer: a WebSocket or a response. */
export interface Outlet {
  /** @param done called when the bytes have left this process, or can no longer be sent */
  send(bytes: Buffer, done: () => void): void
  isOpen(): boolean
  /** Bytes that wait to leave this process. */
  waitingBytes(): number
}

/** Whether more may be written, or the client has read nothing for too long. */
export type Readiness = 'ready' | 'stalled'

const READY: Promise<Readiness> = Promise.resolve('ready')

interface Chunk {
  readonly text: EncodedText
  isDone: boolean
}

/** Writes texts, counts those that have not left this process yet, and reports when more may be written. */
export class Writer {
  readonly #outlet: Outlet
  readonly #limits: Limits
  readonly #backlog: ConnectionBacklog
  /**
   * Texts that are counted in the backlog, oldest first. Empty while the client keeps up, because the operating system
   * then accepts each text at once.
   */
  readonly #unsent: Chunk[] = []
  readonly #wakes: (() => void)[] = []
  #isClosed = false

  constructor(outlet: Outlet, limits: Limits, backlog: ConnectionBacklog) {
    this.#outlet = outlet
    this.#limits = limits
    this.#backlog = backlog
  }

  /** @param send sends the bytes; the default is the outlet's `send` */
  send(text: EncodedText, send: Outlet['send'] = this.#outlet.send): void {
    if (this.#isClosed) return
    const chunk = { text, isDone: false }
    send(text.buffer, () => this.#leave(chunk))
    if (chunk.isDone || this.#outlet.waitingBytes() === 0) return
    this.#unsent.push(chunk)
    this.#backlog.hold(text) // last: it may disconnect this client
  }

  /** Sends, and resolves as `ready` does. */
  write(text: EncodedText): Promise<Readiness> {
    this.send(text)
    return this.ready()
  }

  /**
   * Resolves when the buffer has space, the connection is closed, or nothing left the buffer for
   * `limits.sockets.stallMs`.
   */
  ready(): Promise<Readiness> {
    return this.isFull() ? this.#untilSpace() : READY
  }

  isFull(): boolean {
    const { bufferBytesMax, bufferFramesMax } = this.#limits.sockets
    return this.#unsent.length > bufferFramesMax || this.#outlet.waitingBytes() > bufferBytesMax
  }

  /** Call this when the connection has ended: sends nothing more, and releases the backlog. */
  close(): void {
    this.#isClosed = true
    for (const { text } of this.#unsent.splice(0)) this.#backlog.release(text)
    this.#wake()
  }

  async #untilSpace(): Promise<Readiness> {
    while (this.isFull() && !this.#isClosed && this.#outlet.isOpen()) {
      if (await this.#isSilent()) return 'stalled'
    }
    return 'ready'
  }

  #leave(chunk: Chunk): void {
    chunk.isDone = true
    const index = this.#unsent.indexOf(chunk) // it is the first one while the connection is open
    if (index >= 0) {
      this.#unsent.splice(index, 1)
      this.#backlog.progressed()
      this.#backlog.release(chunk.text)
    }
    this.#wake()
  }

  #wake(): void {
    if (this.#wakes.length === 0) return
    for (const wake of this.#wakes.splice(0)) wake()
  }

  /** Whether nothing leaves the buffer within the time limit. */
  #isSilent(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#limits.sockets.stallMs, true)
      this.#wakes.push(() => {
        clearTimeout(timer)
        resolve(false)
      })
    })
  }
}
