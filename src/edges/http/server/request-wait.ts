/** Limits how long a request may wait: until its time is over, the client disconnects, or the server begins to stop. */
import type { FastifyReply } from 'fastify'
import type { Patience } from '../../../mail/events/feed/long-poll.ts'

/** @param stopping aborts when the server begins to stop */
export function patienceOf(reply: FastifyReply, waitMs: number, stopping: AbortSignal): Patience {
  const gone = new AbortController()
  const response = reply.raw
  if (response.destroyed) gone.abort()
  else response.once('close', () => gone.abort())
  return { waitMs, gone: gone.signal, hurry: stopping }
}
