/**
 * Splits the bytes of one connection into command lines and messages, one at a time and in order.
 *
 * It replaces the library's parser, which keeps bare LF and needs one turn of the event loop per stuffed dot. The next
 * line is read only when the previous one has been answered. So pipelined commands (RFC 2920) wait in the socket and
 * not in memory, and a command in the segment that ends a message is simply the next line.
 *
 * `isClosed` (a field of the library) discards all buffered bytes. The library sets it when the connection closes and
 * before a TLS handshake, so that commands sent in clear text cannot run after STARTTLS (RFC 3207 §4.2, CVE-2011-0411).
 */
import type { PassThrough } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { DataDecoder } from './data-decoder.ts'

/** The destination of the message that follows a DATA command. */
export interface MailSink {
  /** Gets the decoded bytes, with back-pressure. Its reader may destroy it; the rest is then read and discarded. */
  readonly stream: PassThrough
  /** Called at the end of the message; resolves when the peer has its reply and the next command may run. */
  finish(): Promise<void>
}

/** The callbacks of the stream. The first two must not reject; the next line waits for them. */
export interface CommandListener {
  /** @returns a sink if the line was DATA and a message follows */
  command(line: Buffer): Promise<MailSink | undefined>
  lineTooLong(): Promise<void>
  /** Called with the size of each chunk, before any command in it is answered. */
  received(sizeBytes: number): void
}

/** The peer disconnected between DATA and the end of the message: the incomplete message must not be stored. */
export class PeerGone extends Error {
  override readonly name = 'PeerGone'
  constructor() {
    super('The connection closed before the mail was complete')
  }
}

const LF = 0x0a
const CR = 0x0d
const EMPTY = Buffer.alloc(0)
/** Lines after which other connections run: replies to cheap commands do not leave the microtask queue. */
const LINES_PER_TURN = 100

export class CommandStream extends SMTPStream {
  readonly #lineBytesMax: number
  readonly #listener: CommandListener
  #partialLine: Buffer = EMPTY
  #isSkippingLine = false
  #mail: { sink: MailSink; decoder: DataDecoder } | undefined
  #isWorking = false

  /** @param lineBytesMax longest command line, CRLF included */
  constructor(lineBytesMax: number, listener: CommandListener) {
    super()
    this.#lineBytesMax = lineBytesMax
    this.#listener = listener
  }

  /** Whether a message is being received or answered. */
  get isInMail(): boolean {
    return this.#mail !== undefined
  }

  /** Whether we are processing bytes of the peer, so that it waits for us. */
  get isWorking(): boolean {
    return this.#isWorking
  }

  /** Call it when the connection has closed: stops reading, and an incomplete message fails. */
  abandon(): void {
    this.isClosed = true
    const stream = this.#mail?.sink.stream
    if (stream && !stream.writableEnded) stream.destroy(new PeerGone())
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: (error?: Error | null) => void): void {
    this.#isWorking = true
    this.#listener.received(chunk.length)
    this.#consume(chunk)
      .finally(() => {
        this.#isWorking = false
      })
      .then(() => next(), next)
  }

  /** The library calls it at the end of input. A last line without CRLF is not a command (RFC 5321 §2.3.8). */
  override _flushData(): void {
    this.abandon()
  }

  async #consume(chunk: Buffer): Promise<void> {
    let rest = chunk
    for (let lines = 1; rest.length > 0 && !this.isClosed; lines++) {
      rest = this.#mail ? await this.#takeMail(this.#mail, rest) : await this.#takeLine(rest)
      if (lines % LINES_PER_TURN === 0) await nextTurn()
    }
  }

  /** @returns the bytes after the line */
  async #takeLine(bytes: Buffer): Promise<Buffer> {
    const newline = bytes.indexOf(LF)
    const part = newline === -1 ? bytes : bytes.subarray(0, newline + 1)
    if (this.#isSkippingLine || this.#partialLine.length + part.length > this.#lineBytesMax) {
      this.#isSkippingLine = true
      this.#partialLine = EMPTY
    } else {
      this.#partialLine = this.#partialLine.length === 0 ? part : Buffer.concat([this.#partialLine, part])
    }
    if (newline === -1) return EMPTY

    const line = this.#partialLine
    const isTooLong = this.#isSkippingLine
    this.#partialLine = EMPTY
    this.#isSkippingLine = false
    if (isTooLong) {
      await this.#listener.lineTooLong()
    } else {
      const sink = await this.#listener.command(withoutLineEnd(line))
      if (sink) this.#mail = { sink, decoder: new DataDecoder() }
      if (this.isClosed) this.abandon() // it closed while 354 was being sent; no other code would end this message
    }
    return bytes.subarray(newline + 1)
  }

  /** @returns the bytes after the message; empty while the message continues */
  async #takeMail(mail: { sink: MailSink; decoder: DataDecoder }, bytes: Buffer): Promise<Buffer> {
    const { content, rest } = mail.decoder.decode(bytes)
    const { stream } = mail.sink
    // A write to a destroyed stream calls back too, so the rest of a refused message is read.
    if (content.length > 0) await new Promise<void>((resolve) => stream.write(content, () => resolve()))
    if (rest === undefined) return EMPTY

    stream.end()
    await mail.sink.finish()
    this.#mail = undefined
    return rest
  }
}

/** A bare LF ends a command line too, as in Postfix; for smuggling, only the end of DATA matters. */
function withoutLineEnd(line: Buffer): Buffer {
  const end = line.length - 1
  return line.subarray(0, line[end - 1] === CR ? end - 1 : end)
}
