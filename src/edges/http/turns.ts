/**
 * One request of a connection at a time. HTTP/1.1 lets a client send the next ones before it has the answer (pipelining,
 * RFC 9112 §9.3.2), and Node begins all of them at once: a connection would hold thousands of waits and streams, whatever
 * `limits.httpConnectionsMax` says, and those whose answers never got their turn would not learn that the client has gone.
 */
import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'
import type { Limits } from '../../limits.ts'

/**
 * @returns calls `begin` when the answers before this one are written: never where the connection is gone by then. More of
 *   them than `limits.httpPipelinedMax` end their connection
 */
export function createTurns(limits: Pick<Limits, 'httpPipelinedMax'>) {
  const queued = new WeakMap<Socket, number>()

  return (socket: Socket, response: FastifyReply['raw'], begin: () => void): void => {
    const count = (queued.get(socket) ?? 0) + 1
    // Node gives it the connection when its turn has come.
    if (response.socket) begin()
    else if (count > limits.httpPipelinedMax) socket.destroy()
    else {
      queued.set(socket, count)
      response.once('socket', () => {
        queued.set(socket, queued.get(socket)! - 1)
        begin()
      })
    }
  }
}
