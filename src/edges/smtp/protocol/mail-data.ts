/**
 * The bytes of one message on their way from its connection, which writes them, to the code that receives it, which reads
 * them once, from beginning to end. A stream of Node can do the same, and takes ten times as long for a small message.
 *
 * The writer waits (`drained`) when the reader is behind. Either side can end it early: the connection with an error, which the
 * reader gets at once; the reader by no longer reading, after which the connection discards the rest.
 */
import { strict as assert } from 'node:assert'

/** Bytes above which the writer should wait: a few chunks of a socket. */
const WAITING_BYTES_MAX = 32 * 1024

export class MailData implements AsyncIterable<Buffer> {
  readonly #chunks: Buffer[] = []
  #waitingBytes = 0
  #isEnded = false
  #isClosed = false
  #error: Error | undefined
  #hasReader = false
  /** Wakes the reader or the writer, of which only one can wait. */
  #wake: () => void = () => undefined

  /** Why the connection ended it early. */
  get error(): Error | undefined {
    return this.#error
  }

  /** Whether nobody will read more: the reader has closed it, or the connection has ended it early. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** @returns whether the writer should wait before it writes more */
  write(chunk: Buffer): boolean {
    if (this.#isClosed) return false
    this.#chunks.push(chunk)
    this.#waitingBytes += chunk.length
    this.#wake()
    return this.#waitingBytes > WAITING_BYTES_MAX
  }

  /** The message is complete. */
  end(): void {
    this.#isEnded = true
    this.#wake()
  }

  /** The message will not be complete: its reader gets this error instead of the rest. */
  fail(error: Error): void {
    if (this.#isClosed) return
    this.#error = error
    this.close()
  }

  /** The rest is not read. */
  close(): void {
    this.#isClosed = true
    this.#chunks.length = 0
    this.#wake()
  }

  /** Resolves when the writer may write more, or when it is closed. */
  drained(): Promise<void> {
    return this.#isClosed || this.#waitingBytes <= WAITING_BYTES_MAX ? Promise.resolve() : this.#woken()
  }

  /**
   * Call `next` only when the call before has settled. Not a generator, which would queue the calls, but makes nine promises for a small
   * message.
   */
  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    assert(!this.#hasReader, 'a message is read once')
    this.#hasReader = true
    return {
      next: () => this.#next(),
      return: () => this.#finish(), // the reader stops early
    }
  }

  #next(): Promise<IteratorResult<Buffer, undefined>> {
    if (this.#error) return Promise.reject(this.#error)
    const chunk = this.#chunks.shift()
    if (chunk) {
      this.#waitingBytes -= chunk.length
      this.#wake()
      return Promise.resolve({ value: chunk, done: false })
    }
    if (this.#isEnded || this.#isClosed) return this.#finish()
    return this.#woken().then(() => this.#next())
  }

  #finish(): Promise<IteratorReturnResult<undefined>> {
    this.close()
    return Promise.resolve({ value: undefined, done: true })
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
