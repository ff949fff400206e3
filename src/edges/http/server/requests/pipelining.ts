/**
 * Handles one request of a connection at a time. HTTP/1.1 lets a client send requests before it has received the
 * previous response (pipelining, RFC 9112 §9.3.2), and Node starts all of them at once. One connection could then have
 * thousands of long polls and streams, despite `limits.http.connectionsMax`, and a request whose response is never
 * written would not notice that the client has disconnected.
 */
import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'
import type { Limits } from '../../../../config/limits.ts'

/**
 * @returns a function that calls `begin` when the previous responses are written, or never if the connection closes
 *   before. A connection with more waiting requests than `limits.http.pipelinedMax` is closed
 */
export function createPipelining(limits: Limits) {
  const queued = new WeakMap<Socket, number>()

  return (socket: Socket, response: FastifyReply['raw'], begin: () => void): void => {
    const count = (queued.get(socket) ?? 0) + 1
    // Node assigns the socket to the response when the previous responses are written.
    if (response.socket) begin()
    else if (count > limits.http.pipelinedMax) socket.destroy()
    else {
      queued.set(socket, count)
      response.once('socket', () => {
        queued.set(socket, queued.get(socket)! - 1)
        begin()
      })
    }
  }
}
