/**
 * The responses to one client: collected as text, and written in large pieces. A command that writes much calls `flush`
 * whenever `isFull`, and so waits for a client that does not read.
 */
import type { Writable } from 'node:stream'
import { ConnectionEnded } from './byte-input.ts'

/** Larger literals are passed to the socket as they are; copying smaller ones into the text is cheaper than a write. */
const COPIED_BYTES_MAX = 16 * 1024

interface OutputNeeds {
  /** Bytes that are collected, or wait in the socket, before `isFull`. */
  readonly outputBytes: number
  /** A piece that the client does not read within this time ends the connection. */
  readonly stalledMs: number
  /** Ends the connection. */
  readonly onStalled: () => void
}

export interface OutputMark {
  readonly pieces: number
  readonly length: number
}

export class ImapOutput {
  readonly #needs: OutputNeeds
  #socket: Writable
  /** One character per byte. */
  #text = ''
  /** Pieces that have been written. */
  #pieces = 0
  #hasEnded = false
  #drained: (() => void) | undefined

  constructor(socket: Writable, needs: OutputNeeds) {
    this.#socket = socket
    this.#needs = needs
  }

  /** After STARTTLS. */
  useSocket(socket: Writable): void {
    this.#socket = socket
  }

  /** Call it for every 'drain' of the socket. */
  onDrain(): void {
    const drained = this.#drained
    this.#drained = undefined
    drained?.()
  }

  /** A command that waits for the client gets ConnectionEnded. */
  end(): void {
    this.#hasEnded = true
    this.#text = ''
    this.onDrain()
  }

  /** Literals that were passed to the socket count until it has written them. */
  get isFull(): boolean {
    return this.#text.length + this.#socket.writableLength >= this.#needs.outputBytes
  }

  /** @param text one character per byte, with its line end */
  write(text: string): void {
    this.#text += text
  }

  /** The content of a literal, after its size. */
  writeBytes(bytes: Buffer): void {
    if (bytes.length <= COPIED_BYTES_MAX) {
      this.#text += bytes.toString('latin1')
      return
    }
    this.#socket.cork()
    this.#writeText()
    this.#socket.write(bytes)
    this.#socket.uncork()
  }

  /** Where a response begins, for `rollBack`. */
  mark(): OutputMark {
    return { pieces: this.#pieces, length: this.#text.length }
  }

  /** Removes what was collected since the mark. @returns false if some of it has been written */
  rollBack({ pieces, length }: OutputMark): boolean {
    if (pieces !== this.#pieces) return false
    this.#text = this.#text.slice(0, length)
    return true
  }

  /** Writes what was collected. @returns a promise if the client must read first. @throws ConnectionEnded, also later */
  flush(): Promise<void> | undefined {
    if (this.#hasEnded) throw new ConnectionEnded()
    this.#writeText()
    return this.#socket.writableNeedDrain ? this.#waitForDrain() : undefined
  }

  /** For the last words: does not wait. */
  flushAtOnce(): void {
    if (!this.#hasEnded) this.#writeText()
  }

  #writeText(): void {
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    this.#pieces += 1
    this.#socket.write(text, 'latin1')
  }

  async #waitForDrain(): Promise<void> {
    const { stalledMs, onStalled } = this.#needs
    const timer = setTimeout(onStalled, stalledMs)
    try {
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    } finally {
      clearTimeout(timer)
    }
    if (this.#hasEnded) throw new ConnectionEnded()
  }
}
