/**
 * Computes a fingerprint that shows whether two deliveries contain the same message. The Message-ID alone does not:
 * anyone could send a message with a known id, so that the real one would be treated as a duplicate.
 */
import { createHash } from 'node:crypto'
import type { Address } from '../address/address.ts'
import { relaxedBody } from '../dkim/dkim-canonical.ts'

/**
 * The header fields that a person sees, that decide who gets a reply, and how the body is shown. Trace fields are not
 * among them, because they differ between deliveries.
 */
export interface FingerprintFields {
  from: readonly Address[]
  to: readonly Address[]
  cc: readonly Address[]
  replyTo: readonly Address[]
  sender?: Address
  subject?: string
  date?: Date
  headers: readonly (readonly [name: string, value: string])[]
}

/** Six bits each. */
const FINGERPRINT_CHARS = 24

const BODY_FIELDS: ReadonlySet<string> = new Set(['content-type', 'content-transfer-encoding', 'content-disposition'])

/**
 * @param fields  from `parseMessage`
 * @param body    the raw body: `raw.subarray(parsed.bodyOffset)`. White space at line ends and the kind of line ends
 *                make no difference, because relays change them. If a relay re-encodes the body, the fingerprint
 *                differs: then the message is stored twice, which is safer than losing one.
 * @returns 144 bits of SHA-256
 */
export function contentFingerprint(fields: FingerprintFields, body: Buffer): string {
  const list = (addresses: readonly Address[]) =>
    addresses.map(({ name = '', address }) => [name, address.toLowerCase()])
  const { from, to, cc, replyTo, sender, subject = '', date, headers } = fields
  const bodyFields = headers
    .filter(([name]) => BODY_FIELDS.has(name.toLowerCase()))
    .map(([name, value]) => [name.toLowerCase(), value.replace(/\s+/g, ' ')])
  const lists = [from, to, cc, replyTo, sender ? [sender] : []].map(list)
  // JSON, so that different values never give the same text
  const header = JSON.stringify([lists, subject, date?.getTime() ?? null, bodyFields])
  return createHash('sha256')
    .update(header)
    .update('\n')
    .update(relaxedBody(body))
    .digest('base64url')
    .slice(0, FINGERPRINT_CHARS)
}
