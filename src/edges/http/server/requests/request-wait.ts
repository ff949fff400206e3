/**
 * Long polls: how long a request waits (until its time is over, the client disconnects, or the server begins to stop),
 * and how many requests of one API key may wait at the same time.
 */
import type { FastifyReply } from 'fastify'
import type { Limits } from '../../../../config/limits.ts'
import type { RequestWait } from '../../../../mail/events/feed/long-poll.ts'
import { PerKeyLimit } from '../per-key-limit.ts'

export interface LongPolls {
  /** Counts the request until its connection or response closes. @throws too_many_connections */
  begin(reply: FastifyReply, apiKeyId: string, waitMs: number): RequestWait
}

interface LongPollsNeeds {
  readonly limits: Limits
  /** Aborts when the server begins to stop. */
  readonly stopping: AbortSignal
}

export function createLongPolls({ limits, stopping }: LongPollsNeeds): LongPolls {
  const perKey = new PerKeyLimit('waiting requests', limits.http.waitsPerKeyMax)

  return {
    begin(reply, apiKeyId, waitMs) {
      const disconnected = new AbortController()
      const response = reply.raw
      if (response.destroyed) disconnected.abort('disconnected')
      else {
        if (waitMs > 0) response.once('close', perKey.add(apiKeyId))
        response.once('close', () => disconnected.abort('disconnected'))
      }
      return { waitMs, disconnected: disconnected.signal, draining: stopping }
    },
  }
}
