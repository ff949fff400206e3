/** Defines how long a long poll waits: until its time is over, the client disconnects, or the server begins to stop. */
import type { FastifyReply } from 'fastify'
import type { RequestWait } from '../../../mail/events/feed/long-poll.ts'

/** @param stopping aborts when the server begins to stop */
export function requestWaitOf(reply: FastifyReply, waitMs: number, stopping: AbortSignal): RequestWait {
  const disconnected = new AbortController()
  const response = reply.raw
  if (response.destroyed) disconnected.abort()
  else response.once('close', () => disconnected.abort())
  return { waitMs, disconnected: disconnected.signal, draining: stopping }
}
