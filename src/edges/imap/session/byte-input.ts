/**
 * The bytes of one client, from the socket to the reader of lines and literals. One reader at a time. Needs no memory
 * while nothing is buffered, and pauses the socket when more is buffered than the reader needs.
 */

/** The connection has ended, so the command that was reading or writing stops. This is no fault. */
export class ConnectionEnded extends Error {
  constructor() {
    super('the connection has ended')
    this.name = 'ConnectionEnded'
  }
}

/** A line that does not end within its limit. */
export class LineTooLong extends Error {
  constructor() {
    super('a line is too long')
    this.name = 'LineTooLong'
  }
}

const LF = 0x0a
const CR = 0x0d
const NOTHING = Buffer.alloc(0)

/** What the input needs of the socket. */
interface Flow {
  pause(): void
  resume(): void
}

export class ByteInput {
  readonly #flow: Flow
  readonly #bufferedBytesMax: number
  #bytes: Buffer = NOTHING
  #start = 0
  #end = 0
  /** Up to here no line end was found. */
  #scanned = 0
  #isPaused = false
  #hasEnded = false
  #wake: (() => void) | undefined

  constructor(flow: Flow, bufferedBytesMax: number) {
    this.#flow = flow
    this.#bufferedBytesMax = bufferedBytesMax
  }

  /** Whether the client has sent something that was not read yet. */
  get hasBytes(): boolean {
    return this.#start < this.#end
  }

  /** Whether a command waits for the client. */
  get isWaiting(): boolean {
    return this.#wake !== undefined
  }

  push(chunk: Buffer): void {
    if (this.hasBytes) {
      this.#append(chunk)
    } else {
      this.#bytes = chunk
      this.#start = 0
      this.#end = chunk.length
      this.#scanned = 0
    }
    if (this.#end - this.#start > this.#bufferedBytesMax && !this.#isPaused && !this.#wake) {
      this.#isPaused = true
      this.#flow.pause()
    }
    this.#notify()
  }

  /** Readers get what is buffered, and then ConnectionEnded. */
  end(): void {
    this.#hasEnded = true
    this.#notify()
  }

  /** Throws away what the client has sent so far. */
  discard(): void {
    this.#bytes = NOTHING
    this.#start = this.#end = this.#scanned = 0
  }

  /** @returns one line without its end, one character per byte. @throws LineTooLong, ConnectionEnded */
  async line(bytesMax: number): Promise<string> {
    let line = this.lineNow(bytesMax)
    while (line === undefined) {
      await this.#more()
      line = this.lineNow(bytesMax)
    }
    return line
  }

  /** @returns a line that has arrived. @throws LineTooLong */
  lineNow(bytesMax: number): string | undefined {
    const found = this.#bytes.subarray(0, this.#end).indexOf(LF, Math.max(this.#scanned, this.#start))
    if (found === -1) {
      this.#scanned = this.#end
      if (this.#end - this.#start > bytesMax) throw new LineTooLong()
      return undefined
    }
    // A bare LF ends a line too: people type commands into telnet and openssl.
    const end = found > this.#start && this.#bytes[found - 1] === CR ? found - 1 : found
    if (end - this.#start > bytesMax) throw new LineTooLong()
    const line = this.#bytes.toString('latin1', this.#start, end)
    this.#consume(found + 1)
    return line
  }

  /** @returns between 1 and `bytesMax` bytes, which are valid until the next call. @throws ConnectionEnded */
  async chunk(bytesMax: number): Promise<Buffer> {
    while (!this.hasBytes) await this.#more()
    const end = Math.min(this.#end, this.#start + bytesMax)
    const chunk = this.#bytes.subarray(this.#start, end)
    this.#consume(end)
    return chunk
  }

  /** @returns exactly `bytes` bytes, one character each. @throws ConnectionEnded */
  async exactly(bytes: number): Promise<string> {
    let text = ''
    while (text.length < bytes) text += (await this.chunk(bytes - text.length)).toString('latin1')
    return text
  }

  #consume(start: number): void {
    this.#start = start
    if (this.#scanned < start) this.#scanned = start
    if (start === this.#end) this.discard()
  }

  async #more(): Promise<void> {
    if (this.#hasEnded) throw new ConnectionEnded()
    this.#shrink()
    if (this.#isPaused) {
      this.#isPaused = false
      this.#flow.resume()
    }
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    if (this.#hasEnded && !this.hasBytes) throw new ConnectionEnded()
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  /** A few bytes that wait for their rest must not keep a large chunk in memory. */
  #shrink(): void {
    const length = this.#end - this.#start
    if (length === 0 || this.#bytes.buffer.byteLength < 2 * length + 1024) return
    this.#move(Buffer.allocUnsafeSlow(length), length)
  }

  /** Grows by doubling, so that a client that sends byte by byte costs linear time, and memory for its bytes only. */
  #append(chunk: Buffer): void {
    const length = this.#end - this.#start
    if (this.#end + chunk.length > this.#bytes.length) {
      this.#move(Buffer.allocUnsafeSlow(2 * length + chunk.length), length)
    }
    chunk.copy(this.#bytes, this.#end)
    this.#end += chunk.length
  }

  #move(target: Buffer, length: number): void {
    this.#bytes.copy(target, 0, this.#start, this.#end)
    this.#scanned -= this.#start
    this.#bytes = target
    this.#start = 0
    this.#end = length
  }
}
