/** The header fields of every route that sends: Idempotency-Key, and Martlet-Hold, which is our own. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { MailError } from '../../../../../errors.ts'
import { clientId } from '../wire/request-texts.ts'

export const sendHeaders = Type.Object({
  'Idempotency-Key': Type.Optional(
    Type.String({
      description: 'A repeated request with the same key within 24 hours returns the first result.',
      rule: clientId,
    }),
  ),
  'Martlet-Hold': Type.Optional(
    Type.Enum(['true', 'false'], { isOurs: true, description: 'true: as `hold: true` in the body.' }),
  ),
})

/** Returns the body of a send with what the header fields say. @throws validation_error */
export function bodyOf<Body extends { readonly hold?: boolean }>(
  request: { readonly body: Body } & Pick<FastifyRequest, 'headers'>,
): Body {
  return { ...request.body, hold: isHeld(request, request.body.hold) }
}

/** Passes the header on unchanged; the core checks whether it is well-formed. */
export function idempotencyKeyOf({ headers }: Pick<FastifyRequest, 'headers'>): string | undefined {
  const key = headers['idempotency-key']
  return Array.isArray(key) ? key.join(', ') : key
}

/**
 * Whether the message is to be held. The clients drop members of a body that they do not know, so `hold: true` would be lost and
 * the mail sent; they pass header fields on.
 *
 * @throws validation_error
 */
export function isHeld({ headers }: Pick<FastifyRequest, 'headers'>, hold: boolean | undefined): boolean | undefined {
  const value = headers['martlet-hold']
  if (value === undefined) return hold
  if (value !== 'true' && value !== 'false') {
    throw new MailError('validation_error', { detail: 'The header field Martlet-Hold must be true or false' })
  }
  return hold === true || value === 'true'
}
