/** The addresses under which an inbox may send. */
import { normaliseAddress, withoutTag } from '../../formats/address/address.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'

/** Whether the inbox may use the address as its own. There are no aliases; a plus tag is allowed (RFC 5233). */
export function isAddressOf(inbox: Pick<InboxRow, 'address'>, address: string): boolean {
  const normal = normaliseAddress(address)
  return normal !== undefined && withoutTag(normal) === inbox.address
}
