/**
 * Computes a fingerprint that shows whether two deliveries contain the same message. The Message-ID alone does not:
 * anyone could send a message with a known id, so that the real one would be treated as a duplicate.
 */
import { createHash } from 'node:crypto'
import type { Address } from '../address/address.ts'
import { relaxedBody } from '../dkim/dkim-canonical.ts'

/** The header fields that a person sees. Trace fields are not among them, because they differ between deliveries. */
export interface FingerprintFields {
  from: readonly Address[]
  to: readonly Address[]
  cc: readonly Address[]
  subject?: string
  date?: Date
}

/**
 * @param fields  from `parseMessage`
 * @param body    the raw body: `raw.subarray(parsed.bodyOffset)`. White space at line ends and the kind of line ends
 *                make no difference, because relays change them. If a relay re-encodes the body, the fingerprint
 *                differs: then the message is stored twice, which is safer than losing one.
 * @returns SHA-256, hex
 */
export function contentFingerprint(fields: FingerprintFields, body: Buffer): string {
  const list = (addresses: readonly Address[]) =>
    addresses.map(({ name = '', address }) => [name, address.toLowerCase()])
  const { from, to, cc, subject = '', date } = fields
  // JSON, so that different values never give the same text
  const header = JSON.stringify([list(from), list(to), list(cc), subject, date?.getTime() ?? null])
  return createHash('sha256').update(header).update('\n').update(relaxedBody(body)).digest('hex')
}
