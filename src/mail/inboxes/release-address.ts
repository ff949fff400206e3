/**
 * Frees an address for the tenant that holds its domain now (docs/adr/0061). An inbox that had it before, as its own or as an alias, no longer gets its
 * mail anyway.
 */
import { splitAddress } from '../../formats/address/address.ts'
import type { Tx } from '../../store/handles.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import * as aliases from '../../store/tables/inbox-aliases-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'

/** Of the id: its end, which is random. */
const ID_DIGITS = 12
/** RFC 1035 §2.3.4 */
const DOMAIN_CHARS_MAX = 253

/**
 * An inbox of an earlier owner gets another address, under which its tenant still finds it. Call it under the lock of the domain's row.
 *
 * @param domainId of the domain that decides about the address
 */
export async function releaseAddress(tx: Tx, address: string, domainId: string): Promise<void> {
  await aliases.removeOfOtherDomain(tx, address, domainId)
  const earlier = await inboxes.lockOfOtherDomain(tx, address, domainId)
  if (earlier) await inboxes.setAddress(tx, earlier.id, releasedAddress(earlier))
}

/** @returns an address that no mail reaches, and nobody else can have (RFC 2606 §2) */
function releasedAddress({ id, address }: Pick<InboxRow, 'id' | 'address'>): string {
  const { localPart, domain } = splitAddress(address)
  const unique = id.slice(-ID_DIGITS)
  const readable = `${unique}.${domain}.invalid`
  return `${localPart}@${readable.length <= DOMAIN_CHARS_MAX ? readable : `${unique}.invalid`}`
}
