/**
 * Who a mail really comes from: the place of SPF, DKIM, DMARC and ARC (RFC 7208, 6376, 7489, 8617). They are not built
 * yet, so every mail says "not checked", and no mail claims a verified domain: a forged sender must never look proven.
 */
import type { Arrival, Envelope } from './arrival.ts'

/** What the checks found; kept with the message and shown to clients. */
export interface Authentication {
  readonly result: 'not checked'
  /** Domain that the sender was shown to speak for. */
  readonly verifiedDomain?: string
}

export async function authenticate(_arrival: Arrival, _envelope: Envelope): Promise<Authentication> {
  return { result: 'not checked' }
}
