/**
 * Whether two deliveries brought the same mail. A Message-ID alone does not say so: a stranger could send a mail under a
 * known id to have the real one taken for a duplicate.
 */
import { createHash } from 'node:crypto'
import type { Address } from '../address/address.ts'
import { relaxedBody } from '../dkim/dkim-canonical.ts'

/** What a reader sees of a mail's header. Trace fields differ from delivery to delivery and are not part of it. */
export interface FingerprintFields {
  from: readonly Address[]
  to: readonly Address[]
  cc: readonly Address[]
  subject?: string
  date?: Date
}

/**
 * @param fields  from parseMessage
 * @param body    the raw body: `raw.subarray(parsed.bodyOffset)`. White space at line ends and line end style do not
 *                count, since relays change them; a relay that re-encodes makes another mail, which is the safe side.
 * @returns SHA-256, hex
 */
export function contentFingerprint(fields: FingerprintFields, body: Buffer): string {
  const list = (addresses: readonly Address[]) =>
    addresses.map(({ name = '', address }) => [name, address.toLowerCase()])
  const { from, to, cc, subject = '', date } = fields
  // JSON, so that no value can reach into its neighbour's place
  const header = JSON.stringify([list(from), list(to), list(cc), subject, date?.getTime() ?? null])
  return createHash('sha256').update(header).update('\n').update(relaxedBody(body)).digest('hex')
}
