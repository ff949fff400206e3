/**
 * How a connection ends whose request was refused before its body had arrived (RFC 9112 §9.6): our side ends with the answer,
 * and what the client still sends is read and thrown away for a moment. Were both sides closed at once, the connection would be
 * reset, and most clients that are still sending would report that and never see the answer.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Limits } from '../../limits.ts'

export interface Linger {
  /** To be called before the answer is sent, which must say `Connection: close`. */
  endWithAnswer(request: IncomingMessage): void
  /** Whether it has had its last answer: a request that follows must not be carried out. */
  isEnding(socket: Socket): boolean
}

export function createLinger(limits: Pick<Limits, 'httpLingerMs'>): Linger {
  const ending = new WeakSet<Socket>()
  return {
    endWithAnswer(request) {
      const { socket } = request
      ending.add(socket)
      request.resume()
      // Node calls this when the last answer is written, and its own would close the other side too.
      socket.destroySoon = () => {
        socket.end()
        const timer = setTimeout(() => socket.destroy(), limits.httpLingerMs)
        socket.once('close', () => clearTimeout(timer))
      }
    },

    isEnding: (socket) => ending.has(socket),
  }
}
