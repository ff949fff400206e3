/**
 * Closes a connection whose request was rejected before its body had arrived (RFC 9112 §9.6): our side ends after the
 * response, and for a short time we read and discard what the client still sends. If both directions were closed at
 * once, the connection would be reset, and most clients that are still sending would report the reset instead of the
 * response.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Limits } from '../../../config/limits.ts'

export interface Linger {
  /** Call this before the response is sent. The response must contain `Connection: close`. */
  endWithAnswer(request: IncomingMessage): void
  /** Whether the connection is ending, so that no further request on it may be handled. */
  isEnding(socket: Socket): boolean
}

export function createLinger(limits: Limits): Linger {
  const ending = new WeakSet<Socket>()
  return {
    endWithAnswer(request) {
      const { socket } = request
      ending.add(socket)
      request.resume()
      // Node calls this method when the last response is written. Its own implementation would close both directions.
      socket.destroySoon = () => {
        socket.end()
        const timer = setTimeout(() => socket.destroy(), limits.http.lingerMs)
        socket.once('close', () => clearTimeout(timer))
      }
    },

    isEnding: (socket) => ending.has(socket),
  }
}
