/**
 * Authenticates the sender of a message. SPF, DKIM, DMARC and ARC (RFC 7208, 6376, 7489, 8617) are not implemented yet:
 * the result of every message is "not checked", and none has a verified domain. A forged sender must never look
 * authenticated.
 */
import type { Arrival, Envelope } from './arrival.ts'

/** The result of the checks; stored with the message and shown to clients. */
export interface Authentication {
  readonly result: 'not checked'
  /** The domain that the sender is authenticated for. */
  readonly verifiedDomain?: string
}

export async function authenticate(_arrival: Arrival, _envelope: Envelope): Promise<Authentication> {
  return { result: 'not checked' }
}
