/**
 * Keeps all open event streams and limits their number per API key. A shutdown does not wait for them as it does for
 * requests; it ends them last.
 */
import type { FastifyReply } from 'fastify'
import type { Limits } from '../../../config/limits.ts'
import { waitAtMost } from '../../../deadline.ts'
import { PerKeyLimit } from './per-key-limit.ts'

export interface SseRegistry {
  /** Call this before a stream begins: counts the stream until its connection closes. @throws too_many_connections */
  admit(reply: FastifyReply, apiKeyId: string): void
  /** @param finish resolves, after the feed has stopped, when all its events have left this process */
  add(reply: FastifyReply, finish: () => Promise<void>): void
  /**
   * Call this after the feed has stopped. Resolves when all its events are written, or after a short time; the
   * connections can then be closed.
   */
  closeAll(): Promise<void>
}

interface StreamsNeeds {
  readonly limits: Limits
  /** Declares that a shutdown need not wait for the end of this response. */
  readonly release: (reply: FastifyReply) => void
}

export function createSseRegistry({ limits, release }: StreamsNeeds): SseRegistry {
  const open = new Map<FastifyReply['raw'], () => Promise<void>>()
  const perKey = new PerKeyLimit('event streams', limits.streams.perKeyMax)

  return {
    admit: (reply, apiKeyId) => void reply.raw.once('close', perKey.add(apiKeyId)),

    add(reply, finish) {
      release(reply)
      open.set(reply.raw, finish)
      reply.raw.once('close', () => open.delete(reply.raw))
    },

    async closeAll() {
      await waitAtMost(limits.sockets.closeMs, Promise.all([...open.values()].map((finish) => finish())))
    },
  }
}
