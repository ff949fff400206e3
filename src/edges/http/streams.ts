/**
 * Keeps every open event stream. Limits their number per API key; a stop does not wait for them as for requests, and
 * ends them last.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyReply } from 'fastify'
import type { Limits } from '../../limits.ts'
import { PerKeyLimit } from './per-key-limit.ts'

export interface Streams {
  /** Before it begins: counts it until its connection closes. @throws too_many_connections */
  admit(reply: FastifyReply, apiKeyId: string): void
  /** @param finish resolves, once the feed has ended, when what it gave before has left this process */
  add(reply: FastifyReply, finish: () => Promise<void>): void
  /** After the feed has ended: resolves when what it gave is written, or soon. Then their connections can be closed. */
  closeAll(): Promise<void>
}

interface StreamsNeeds {
  readonly limits: Limits
  /** Says that nobody waits for the end of this response. */
  readonly release: (reply: FastifyReply) => void
}

export function createStreams({ limits, release }: StreamsNeeds): Streams {
  const open = new Map<FastifyReply['raw'], () => Promise<void>>()
  const perKey = new PerKeyLimit('event streams', limits.streamsPerKeyMax)

  return {
    admit: (reply, apiKeyId) => void reply.raw.once('close', perKey.add(apiKeyId)),

    add(reply, finish) {
      release(reply)
      open.set(reply.raw, finish)
      reply.raw.once('close', () => open.delete(reply.raw))
    },

    async closeAll() {
      const told = Promise.all([...open.values()].map((finish) => finish()))
      await Promise.race([told, delay(limits.socketCloseMs, undefined, { ref: false })])
    },
  }
}
