/**
 * Reports how many requests a key has left, in the header fields that most services use; RFC 9110 defines only Retry-After. AgentMail's
 * clients wait until X-RateLimit-Reset if a 429 has no Retry-After.
 */
import type { FastifyReply } from 'fastify'
import type { RequestRate } from '../../../errors/resource-errors.ts'

export function addRateHeaders(reply: FastifyReply, { limit, remaining, resetAt }: RequestRate): void {
  reply.header('x-ratelimit-limit', limit)
  reply.header('x-ratelimit-remaining', remaining)
  reply.header('x-ratelimit-reset', Math.ceil(resetAt / 1_000)) // epoch seconds
}
