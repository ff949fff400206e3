/** The addresses of an inbox: those under which it may send, and all of them. */
import { normaliseAddress, withoutTag } from '../../formats/address/address.ts'
import type { Db } from '../../store/handles.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import * as aliases from '../../store/tables/inbox-aliases-table.ts'

/** Whether the inbox may use the address as its own. Aliases only receive; a plus tag is allowed (RFC 5233). */
export function isAddressOf(inbox: Pick<InboxRow, 'address'>, address: string): boolean {
  const normal = normaliseAddress(address)
  return normal !== undefined && withoutTag(normal) === inbox.address
}

/** All addresses at which the inbox gets mail, without those of a catch-all. */
export async function listAddressesOf(db: Db, inbox: Pick<InboxRow, 'id' | 'address'>): Promise<string[]> {
  return [inbox.address, ...(await aliases.listByInbox(db, inbox.id)).map(({ address }) => address)]
}
