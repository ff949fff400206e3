/** A text to send. It is encoded once and in memory once, even if many connections send it. */
import type { BacklogItem } from '../../../mail/events/feed/backlog.ts'

/** Memory per connection for a waiting text, besides its bytes: queue entries, a callback, a frame header. */
const CONNECTION_BYTES = 1_024

export class EncodedText implements BacklogItem {
  readonly buffer: Buffer
  readerCount = 0

  /**
   * Copies the text, so that it does not keep a larger buffer in memory: neither a block of Node's pool nor the buffer
   * of a socket read.
   */
  constructor(text: string | Buffer) {
    this.buffer = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
    if (typeof text === 'string') this.buffer.write(text)
    else text.copy(this.buffer)
  }

  get bytes(): number {
    return this.buffer.length
  }

  get bytesPerReader(): number {
    return CONNECTION_BYTES
  }

  toString(): string {
    return this.buffer.toString()
  }
}
