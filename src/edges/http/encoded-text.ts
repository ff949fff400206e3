/** A text that is being sent: encoded once and held in memory once, however many connections send it. */
import type { BacklogItem } from '../../mail/events/event.ts'

/** Memory that a waiting text costs each connection besides its bytes: queue entries, a callback, a frame header. */
const CONNECTION_BYTES = 1_024

export class EncodedText implements BacklogItem {
  readonly buffer: Buffer
  holders = 0

  /**
   * Copies the text, so that no larger buffer around it stays in memory: neither a block of Node's pool nor what a
   * socket read.
   */
  constructor(text: string | Buffer) {
    this.buffer = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
    if (typeof text === 'string') this.buffer.write(text)
    else text.copy(this.buffer)
  }

  get bytes(): number {
    return this.buffer.length
  }

  get bytesEach(): number {
    return CONNECTION_BYTES
  }

  toString(): string {
    return this.buffer.toString()
  }
}
