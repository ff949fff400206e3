/**
 * The bytes of one connection, cut into command lines and mails, one at a time and in order.
 *
 * It replaces the library's parser, whose output keeps bare LF and which spends an event-loop turn on each stuffed dot.
 * The next line is read only when the one before has been answered, so that pipelined commands (RFC 2920) wait in the
 * socket, not in memory, and a command in the segment that ends a mail is simply the next line.
 *
 * `isClosed` (the library's field) drops whatever is still held: the library sets it when the connection closes and
 * before a TLS handshake, so that nothing sent in clear text can run after STARTTLS (RFC 3207 §4.2, CVE-2011-0411).
 */
import type { PassThrough } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { DataDecoder } from './data-decoder.ts'

/** Where the mail goes that follows a DATA command. */
export interface MailSink {
  /** Gets the decoded bytes, with back-pressure. Whoever reads it may destroy it: the rest is read and thrown away. */
  readonly stream: PassThrough
  /** Called at the end of the mail; resolves when the peer has its answer and the next command may run. */
  finish(): Promise<void>
}

/** Whom the stream tells. The first two may not reject; the next line waits for them. */
export interface CommandListener {
  /** @returns a sink when the line was DATA and a mail follows */
  command(line: Buffer): Promise<MailSink | undefined>
  lineTooLong(): Promise<void>
  /** Called with the size of each chunk that arrives, before anything in it is answered. */
  received(sizeBytes: number): void
}

/** The peer left between DATA and the end of the mail: what came so far must not be filed. */
export class PeerGone extends Error {
  override readonly name = 'PeerGone'
  constructor() {
    super('The connection closed before the mail was complete')
  }
}

const LF = 0x0a
const CR = 0x0d
const EMPTY = Buffer.alloc(0)
/** Lines after which other connections get their turn: answers to cheap commands do not leave the microtask queue. */
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

  /** Whether a mail is being received or answered. */
  get isInMail(): boolean {
    return this.#mail !== undefined
  }

  /** Whether bytes of the peer are being worked on, so that its silence is our doing. */
  get isWorking(): boolean {
    return this.#isWorking
  }

  /** The connection is gone: nothing more is read, and a mail that is not complete fails. */
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

  /** The library's hook for the end of input. A last line without CRLF is not a command (RFC 5321 §2.3.8). */
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

  /** @returns what follows the line */
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
      if (this.isClosed) this.abandon() // it closed while 354 was on its way: nobody else would end that mail
    }
    return bytes.subarray(newline + 1)
  }

  /** @returns what follows the mail; nothing as long as it goes on */
  async #takeMail(mail: { sink: MailSink; decoder: DataDecoder }, bytes: Buffer): Promise<Buffer> {
    const { content, rest } = mail.decoder.decode(bytes)
    const { stream } = mail.sink
    // A write to a stream that its reader destroyed calls back as well: the rest of a refused mail is heard out.
    if (content.length > 0) await new Promise<void>((resolve) => stream.write(content, () => resolve()))
    if (rest === undefined) return EMPTY

    stream.end()
    await mail.sink.finish()
    this.#mail = undefined
    return rest
  }
}

/** Bare LF ends a command line too, as it does for Postfix; what matters for smuggling is the end of DATA alone. */
function withoutLineEnd(line: Buffer): Buffer {
  const end = line.length - 1
  return line.subarray(0, line[end - 1] === CR ? end - 1 : end)
}
