/**
 * Writes texts to one client, as fast as it reads: counts what has not left this process yet, and reports when more may
 * be written. event-pump.ts and the sessions use it.
 */
import type { Limits } from '../../../config/limits.ts'
import type { ConnectionBacklog } from '../server/memory/backlog-budget.ts'
import type { EncodedText } from './encoded-text.ts'

/** The connection below a writer: a WebSocket or a response. */
export interface Sink {
  /** @param done called when the bytes have left this process, or can no longer be sent */
  send(bytes: Buffer, done: () => void): void
  isOpen(): boolean
  /** Bytes that wait to leave this process. */
  waitingBytes(): number
}

/**
 * The error with which a client that does not read is disconnected. Without one, Node makes an error with a stack for each
 * write that waits in the buffer: 0.3 s for the readers that are cut off together.
 */
export const CUT_OFF = new Error('the client was disconnected because it did not read')

/** Whether more may be written, or the client has read nothing for too long. */
export type Readiness = 'ready' | 'stalled'

/** Shared by every write that need not wait. */
const READY: Promise<Readiness> = Promise.resolve('ready')

interface Chunk {
  readonly text: EncodedText
  isDone: boolean
}

export class SinkWriter {
  readonly #sink: Sink
  readonly #limits: Limits
  readonly #backlog: ConnectionBacklog
  /**
   * Texts that are counted in the backlog, oldest first. Empty while the client keeps up, because the operating system
   * then accepts each text at once.
   */
  readonly #unsent: Chunk[] = []
  readonly #waiters: (() => void)[] = []
  #isClosed = false

  constructor(sink: Sink, limits: Limits, backlog: ConnectionBacklog) {
    this.#sink = sink
    this.#limits = limits
    this.#backlog = backlog
  }

  /** @param send sends the bytes; the default is the sink's `send` */
  send(text: EncodedText, send: Sink['send'] = this.#sink.send): void {
    if (this.#isClosed) return
    const chunk = { text, isDone: false }
    send(text.buffer, () => this.#markSent(chunk))
    if (chunk.isDone || this.#sink.waitingBytes() === 0) return
    this.#unsent.push(chunk)
    this.#backlog.add(text) // last: it may disconnect this client
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
    return this.#unsent.length > bufferFramesMax || this.#sink.waitingBytes() > bufferBytesMax
  }

  /** Call this when the connection has ended: sends nothing more, and releases the backlog. */
  close(): void {
    this.#isClosed = true
    for (const { text } of this.#unsent.splice(0)) this.#backlog.remove(text)
    this.#wake()
  }

  async #untilSpace(): Promise<Readiness> {
    while (this.isFull() && !this.#isClosed && this.#sink.isOpen()) {
      if (await this.#isStalled()) return 'stalled'
    }
    return 'ready'
  }

  #markSent(chunk: Chunk): void {
    chunk.isDone = true
    const index = this.#unsent.indexOf(chunk) // it is the first one while the connection is open
    if (index >= 0) {
      this.#unsent.splice(index, 1)
      this.#backlog.progressed()
      this.#backlog.remove(chunk.text)
    }
    this.#wake()
  }

  #wake(): void {
    if (this.#waiters.length === 0) return
    for (const wake of this.#waiters.splice(0)) wake()
  }

  /** Whether nothing leaves the buffer within the time limit. */
  #isStalled(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#limits.sockets.stallMs, true)
      this.#waiters.push(() => {
        clearTimeout(timer)
        resolve(false)
      })
    })
  }
}
