/**
 * What is left to a key, in the header fields that clients of most services know; RFC 9110 defines only Retry-After. AgentMail's
 * clients wait until X-RateLimit-Reset if a 429 has no Retry-After.
 */
import type { FastifyReply } from 'fastify'
import type { RequestRate } from '../../../errors/resource-errors.ts'

export function addRateHeaders(reply: FastifyReply, { limit, remaining, resetAt }: RequestRate): void {
  reply.header('x-ratelimit-limit', limit)
  reply.header('x-ratelimit-remaining', remaining)
  reply.header('x-ratelimit-reset', Math.ceil(resetAt / 1_000)) // epoch seconds
}
