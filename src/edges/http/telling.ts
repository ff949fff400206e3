/**
 * From the event feed to one reader that stays connected, for WebSockets and for streams alike: order, back-pressure, and
 * why it ended.
 *
 *   feed → event → render → write → … → wait while the reader's buffer is full
 *
 * Slow reader: nothing more is pulled from the feed while more than `limits.socketBufferBytesMax` or
 *   `limits.socketBufferFramesMax` wait for it. It ends if none of that leaves for `limits.socketStallMs`, if the feed's
 *   own buffer runs over meanwhile, or if the server's budget is spent and this reader is the slowest
 *   (backlog-budget.ts). The reader comes back with the cursor of the last event it read and misses nothing.
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
import type { ConnectionBacklog } from './backlog-budget.ts'
import type { EncodedText } from './encoded-text.ts'
import type { WritePacer } from './write-pacer.ts'

const RENDER_RETRY_FIRST_MS = 50

/** The text for an event, or undefined when this dialect has no form for it. */
export type Render = (event: Event) => EncodedText | undefined | Promise<EncodedText | undefined>

/** Why a reader is told no more, although it is still there. */
export type Ending =
  | { readonly reason: FeedEnded['reason'] | 'stalled' }
  /** cursor_expired: overtaken while reading the past; internal_error: nobody expected it. */
  | { readonly reason: 'failed'; readonly error: MailError }

interface TellingNeeds {
  readonly events: AsyncIterable<Event>
  readonly render: Render
  /** Resolves when there is room for more, or the reader is gone. */
  readonly write: (text: EncodedText, event: Event) => Promise<Readiness>
  /** What must be over before the next event may be written. */
  readonly hold?: () => Promise<unknown>
  readonly pacer: WritePacer
  /** Aborts when the reader is gone, or wants something else. */
  readonly signal: AbortSignal
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

/** @returns undefined when the signal aborted */
export async function tellAll(needs: TellingNeeds): Promise<Ending | undefined> {
  const { events, write, hold, pacer, signal, log, metrics } = needs
  try {
    for await (const event of events) {
      const text = await renderPatiently(event, needs)
      const pause = text && pacer.take(text.bytes)
      if (pause) await pause
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
async function renderPatiently(event: Event, needs: TellingNeeds): Promise<EncodedText | undefined> {
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
  send(bytes: Buffer, done: () => void): void
  isOpen(): boolean
  /** Bytes that wait to leave this process. */
  waitingBytes(): number
}

/** Whether more may be written, or the reader has taken nothing for too long. */
export type Readiness = 'ready' | 'stalled'

const READY: Promise<Readiness> = Promise.resolve('ready')

interface Chunk {
  readonly text: EncodedText
  isDone: boolean
}

/** Writes texts, counts those that have not left this process, and resolves when more may be written. */
export class Writer {
  readonly #outlet: Outlet
  readonly #limits: Limits
  readonly #backlog: ConnectionBacklog
  /**
   * Texts that are held in the backlog, oldest first. Empty while the reader keeps up: the system takes each text at
   * once.
   */
  readonly #unsent: Chunk[] = []
  readonly #wakes: (() => void)[] = []
  #isClosed = false

  constructor(outlet: Outlet, limits: Limits, backlog: ConnectionBacklog) {
    this.#outlet = outlet
    this.#limits = limits
    this.#backlog = backlog
  }

  /** @param send another way to send than as text */
  send(text: EncodedText, send: Outlet['send'] = this.#outlet.send): void {
    if (this.#isClosed) return
    const chunk = { text, isDone: false }
    send(text.buffer, () => this.#leave(chunk))
    if (chunk.isDone || this.#outlet.waitingBytes() === 0) return
    this.#unsent.push(chunk)
    this.#backlog.hold(text) // last: it may cut this connection off
  }

  /** Sends, and resolves as `ready` does. */
  write(text: EncodedText): Promise<Readiness> {
    this.send(text)
    return this.ready()
  }

  /** Resolves when the buffer has room, or the connection is closed, or nothing left it for `limits.socketStallMs`. */
  ready(): Promise<Readiness> {
    return this.isFull() ? this.#room() : READY
  }

  isFull(): boolean {
    const { socketBufferBytesMax, socketBufferFramesMax } = this.#limits
    return this.#unsent.length > socketBufferFramesMax || this.#outlet.waitingBytes() > socketBufferBytesMax
  }

  /** The connection has ended: nothing is sent or held any more. */
  close(): void {
    this.#isClosed = true
    for (const { text } of this.#unsent.splice(0)) this.#backlog.release(text)
    this.#wake()
  }

  async #room(): Promise<Readiness> {
    while (this.isFull() && !this.#isClosed && this.#outlet.isOpen()) {
      if (await this.#isSilent()) return 'stalled'
    }
    return 'ready'
  }

  #leave(chunk: Chunk): void {
    chunk.isDone = true
    const index = this.#unsent.indexOf(chunk) // the first one, as long as the connection is open
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

  /** Whether nothing leaves before the time is over. */
  #isSilent(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#limits.socketStallMs, true)
      this.#wakes.push(() => {
        clearTimeout(timer)
        resolve(false)
      })
    })
  }
}
