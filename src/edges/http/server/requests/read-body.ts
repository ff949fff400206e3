/**
 * Reads the body of a request into one buffer.
 *
 * Every chunk is copied as it arrives. Fastify's reader keeps them and copies all at the end, which blocks the event loop
 * for up to 0.4 s with a body of 70 MiB and needs twice the memory. A client can send a body in chunks of one byte (RFC 9112
 * §7.1), all of them in one turn of the event loop, so a chunk must cost little: a stream between the request and this
 * function, and a count for every chunk, made it three times as slow.
 *
 * Must not: interpret the bytes.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { MailError } from '../../../../errors.ts'

/** Size of the first buffer for a body of unknown length. Each later one has at least twice the size of the one before. */
const FIRST_BYTES = 4 * 1024

/**
 * Chunks of one body that are read before other work runs on the event loop: one read of the socket contains about as many
 * of one byte, and takes some milliseconds. Without this, libuv reads the socket 32 times in a turn, which takes 0.3 s.
 */
const TURN_CHUNKS = 10_000

/** Returns the length of a body in bytes; undefined: it is sent in chunks (RFC 9112 §6.3). */
export function declaredLength(headers: IncomingHttpHeaders): number | undefined {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : undefined
}

export interface BodyToRead {
  /** As `declaredLength` returns it. */
  readonly declaredBytes: number | undefined
  /** Limit of the route. */
  readonly bytesMax: number
  /** Called before the buffer for a body in chunks grows, with the bytes to be added. Its error ends the reading. */
  readonly reserve: (bytes: number) => void
}

/**
 * @returns the whole body
 * @throws body_too_large, what `reserve` throws, and validation_error when the client disconnects before the end. The rest
 *   of the body is then dropped as it arrives
 */
export function readBody(request: IncomingMessage, { declaredBytes, bytesMax, reserve }: BodyToRead): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const { push } = request
    let buffer = Buffer.alloc(0)
    let length = 0
    let turnChunks = 0
    try {
      if (declaredBytes === undefined) request.push = copyAtOnce
      else if (declaredBytes > bytesMax) throw tooLarge()
      else buffer = Buffer.allocUnsafe(declaredBytes)
    } catch (error) {
      reject(error)
      return
    }
    request.on('data', copy).once('end', finish).once('error', giveUp).once('close', giveUp)

    /** Replaces `push`, which Node calls for every chunk: it costs more than copying a small one. */
    function copyAtOnce(chunk: Buffer | null): boolean {
      if (chunk === null) return push.call(request, null)
      copy(chunk)
      turnChunks += 1
      if (turnChunks < TURN_CHUNKS) return true
      if (turnChunks === TURN_CHUNKS) setImmediate(readOn)
      return false // Node pauses the socket
    }

    function readOn(): void {
      turnChunks = 0
      request.socket.resume()
    }

    function copy(chunk: Buffer): void {
      const end = length + chunk.length
      if (end > buffer.length && !grow(end)) return
      if (chunk.length === 1) buffer[length] = chunk[0]!
      else chunk.copy(buffer, length)
      length = end
    }

    function grow(bytesMin: number): boolean {
      try {
        if (bytesMin > bytesMax) throw tooLarge()
        const bytes = Math.min(Math.max(bytesMin, 2 * buffer.length, FIRST_BYTES), bytesMax)
        reserve(bytes - buffer.length)
        const larger = Buffer.allocUnsafe(bytes)
        buffer.copy(larger, 0, 0, length)
        buffer = larger
        return true
      } catch (error) {
        fail(error)
        return false
      }
    }

    function finish(): void {
      stopReading()
      resolve(buffer.subarray(0, length))
    }

    function giveUp(cause?: Error): void {
      // The client gets no response, but this is not an internal error.
      const detail = 'The connection closed before the body was complete'
      fail(new MailError('validation_error', { detail }, { cause }))
    }

    function fail(error: unknown): void {
      stopReading()
      request.push = (chunk: Buffer | null) => chunk !== null || push.call(request, null)
      request.on('error', () => undefined) // the client may still disconnect
      request.resume()
      reject(error)
    }

    function stopReading(): void {
      request.off('data', copy).off('end', finish).off('error', giveUp).off('close', giveUp)
    }

    function tooLarge(): MailError {
      return new MailError('body_too_large', { limitBytes: bytesMax })
    }
  })
}
