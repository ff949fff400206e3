/** The addresses of an inbox: all of them, and those under which it may send: its own, and aliases in the same domain, whose key signs its mail. */
import { normaliseAddress, splitAddress, withoutTag } from '../../formats/address/address.ts'
import type { Db } from '../../store/handles.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import * as aliasesTable from '../../store/tables/inbox-aliases-table.ts'

/** Whether it is the address of the inbox; a plus tag is allowed (RFC 5233). */
export function isAddressOf(inbox: Pick<InboxRow, 'address'>, address: string): boolean {
  const normal = normaliseAddress(address)
  return normal !== undefined && withoutTag(normal) === inbox.address
}

/**
 * Returns the first address under which the inbox may not send; undefined: there is none. Costs a statement only if one of them is not its
 * own.
 */
export async function findForeign(
  db: Db,
  inbox: Pick<InboxRow, 'id' | 'address'>,
  addresses: readonly string[],
): Promise<string | undefined> {
  const others = addresses.filter((address) => !isAddressOf(inbox, address))
  if (others.length === 0) return undefined
  const { domain } = splitAddress(inbox.address)
  const aliases = new Set((await aliasesTable.listByInbox(db, inbox.id)).map(({ address }) => address))
  return others.find((address) => {
    const normal = normaliseAddress(address)
    if (normal === undefined || splitAddress(normal).domain !== domain) return true
    return !aliases.has(withoutTag(normal))
  })
}

/** All addresses at which the inbox gets mail, without those of a catch-all. */
export async function listAddressesOf(db: Db, inbox: Pick<InboxRow, 'id' | 'address'>): Promise<string[]> {
  return [inbox.address, ...(await aliasesTable.listByInbox(db, inbox.id)).map(({ address }) => address)]
}
