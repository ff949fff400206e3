/**
 * Sends a response in chunks, so that the server notices when its client stops reading.
 *
 * The server sees only what the operating system accepts. Linux accepts more from Node when a third of a connection's
 * send buffer is free again: with its default of 4 MiB at most (`net.ipv4.tcp_wmem`), after the client has read up to
 * 1.4 MB. So a client that reads slowly makes no progress for some time, and the limits `responseStallMs` and
 * `responseStallBusyMs` are that step, divided by the slowest rate that is allowed.
 */
import { Readable } from 'node:stream'

/** Node passes the next chunk on when the operating system has accepted the previous one. */
const CHUNK_BYTES = 64 * 1024

/** @param progressed called when a chunk has left the process */
export function bytesInChunks(bytes: Buffer, progressed: () => void): Readable {
  return Readable.from(chunks(), { objectMode: false })

  function* chunks(): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      progressed()
      yield bytes.subarray(at, at + CHUNK_BYTES)
    }
  }
}

/** @param progressed as for `bytesInChunks` */
export function passThrough(source: Readable, progressed: () => void): Readable {
  return Readable.from(chunks(), { objectMode: false })

  async function* chunks(): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      progressed()
      yield chunk as Buffer
    }
  }
}

export function isStream(payload: unknown): payload is Readable {
  return payload instanceof Readable
}
