/**
 * Reads command lines and messages from the bytes of one connection, one at a time and in order.
 *
 * It replaces the library's parser, which keeps bare LF and needs one turn of the event loop per stuffed dot. The
 * connection asks for the next line after it has answered the previous one. So pipelined commands (RFC 2920) wait in
 * the socket and not in memory, and a command in the segment that ends a message is simply the next line.
 *
 * `isClosed` (a field of the library) discards all buffered bytes. The library sets it when the connection closes and
 * before a TLS handshake, so that commands sent in clear text cannot run after STARTTLS (RFC 3207 §4.2, CVE-2011-0411).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { DataDecoder } from './data-decoder.ts'
import type { MailData } from './mail-data.ts'

/** The peer disconnected between DATA and the end of the message: the incomplete message must not be stored. */
export class PeerGone extends Error {
  override readonly name = 'PeerGone'
  constructor() {
    super('The connection closed before the message was complete')
  }
}

const LF = 0x0a
const CR = 0x0d
const EMPTY = Buffer.alloc(0)
/** Lines after which other connections run: replies to cheap commands do not leave the microtask queue. */
const LINES_PER_TURN = 100

type ReadLine = Buffer | 'too long' | undefined

export class CommandStream extends SMTPStream {
  readonly #lineBytesMax: number
  readonly #onChunk: (sizeBytes: number) => void
  /** The part of the current chunk that has not been read. */
  #unread: Buffer = EMPTY
  #linesOfChunk = 0
  /** Asks the socket for the next chunk; undefined while we wait for one. */
  #requestChunk: (() => void) | undefined
  /** Resumes the read that waits for a chunk. */
  #resume: () => void = () => undefined
  /** The destination of the message that is being read, until its last byte. */
  #mailData: MailData | undefined

  /**
   * @param lineBytesMax longest command line, CRLF included
   * @param onChunk called with the size of each chunk, before anything in it is read
   */
  constructor(lineBytesMax: number, onChunk: (sizeBytes: number) => void) {
    super()
    this.#lineBytesMax = lineBytesMax
    this.#onChunk = onChunk
  }

  /** Whether bytes of the peer are being processed, so that it waits for us. */
  get isWorking(): boolean {
    return this.#requestChunk !== undefined
  }

  /** Call it when the connection has closed: reading ends, and an incomplete message fails with PeerGone. */
  abandon(): void {
    this.isClosed = true
    this.#mailData?.fail(new PeerGone())
    this.#resume()
  }

  /**
   * Reads one line. Call it again only after the line has been answered, and never during `readMailData`.
   *
   * @returns the line without its end, and no promise if it has arrived already; undefined when the connection has closed, also
   *   for a last line without CRLF, which is not a command (RFC 5321 §2.3.8)
   */
  readLine(): ReadLine | Promise<ReadLine> {
    this.#linesOfChunk += 1
    const isTurnOver = this.#linesOfChunk % LINES_PER_TURN === 0
    const newline = isTurnOver || this.isClosed ? -1 : this.#unread.indexOf(LF)
    if (newline === -1 || newline >= this.#lineBytesMax) return this.#readLineInParts(isTurnOver)
    const line = this.#unread.subarray(0, newline + 1)
    this.#unread = this.#unread.subarray(newline + 1)
    return withoutLineEnd(line)
  }

  async #readLineInParts(isTurnOver: boolean): Promise<ReadLine> {
    if (isTurnOver) await nextTurn()
    let line: Buffer = EMPTY
    let isTooLong = false
    while (!this.isClosed) {
      if (this.#unread.length === 0) {
        await this.#nextChunk()
        continue
      }
      const newline = this.#unread.indexOf(LF)
      const part = newline === -1 ? this.#unread : this.#unread.subarray(0, newline + 1)
      this.#unread = this.#unread.subarray(part.length)
      isTooLong ||= line.length + part.length > this.#lineBytesMax
      if (isTooLong) line = EMPTY
      else line = line.length === 0 ? part : Buffer.concat([line, part])
      if (newline !== -1) return isTooLong ? 'too long' : withoutLineEnd(line)
    }
    return undefined
  }

  /**
   * Reads the message that follows DATA, and writes it to `mailData`, decoded and with back-pressure. If the reader of
   * `mailData` closes it, the rest of the message is read and discarded.
   *
   * @returns whether the message is complete; otherwise the connection has closed, and `mailData` has failed with PeerGone
   */
  async readMailData(mailData: MailData): Promise<boolean> {
    const decoder = new DataDecoder()
    this.#mailData = mailData
    while (!this.isClosed) {
      if (this.#unread.length === 0) {
        await this.#nextChunk()
        continue
      }
      const { data, rest } = decoder.decode(this.#unread)
      this.#unread = rest ?? EMPTY
      const isFull = data.length > 0 && mailData.write(data)
      if (rest) {
        mailData.end()
        this.#mailData = undefined
        return true
      }
      if (isFull) await mailData.drained()
    }
    this.abandon() // the connection may have closed before this call
    return false
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: (error?: Error | null) => void): void {
    this.#onChunk(chunk.length)
    this.#unread = chunk
    this.#linesOfChunk = 0
    this.#requestChunk = next
    this.#resume()
  }

  /** The library calls it at the end of input. */
  override _flushData(): void {
    this.abandon()
  }

  /** Resolves when a chunk has arrived or the connection has closed. */
  #nextChunk(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve
      const requestChunk = this.#requestChunk
      this.#requestChunk = undefined
      requestChunk?.() // may call _write at once
    })
  }
}

/** A bare LF ends a command line too, as in Postfix; for smuggling, only the end of DATA matters. */
function withoutLineEnd(line: Buffer): Buffer {
  const end = line.length - 1
  return line.subarray(0, line[end - 1] === CR ? end - 1 : end)
}
