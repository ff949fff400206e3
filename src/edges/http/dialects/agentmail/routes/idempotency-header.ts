/** The header Idempotency-Key, for every route that sends. */
import type { FastifyRequest } from 'fastify'

/** Passes the header on unchanged; the core checks whether it is well-formed. */
export function idempotencyKeyOf({ headers }: Pick<FastifyRequest, 'headers'>): string | undefined {
  const key = headers['idempotency-key']
  return Array.isArray(key) ? key.join(', ') : key
}
