/**
 * Frees an address for the tenant that holds its domain now (docs/adr/0061). An inbox that had it before, as its own or as an alias, no longer gets its
 * mail anyway.
 */
import { ADDRESS_BYTES_MAX, splitAddress } from '../../formats/address/address.ts'
import type { Tx } from '../../store/handles.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import * as domains from '../../store/tables/domains-table.ts'
import * as aliases from '../../store/tables/inbox-aliases-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import { isDecidedFor } from '../domains/domains.ts'
import { inboxUpdated } from '../events/log/resource-events.ts'
import { showInbox } from './show-inbox.ts'

/** For the event: the key that caused it belongs to another tenant. */
const ACTOR = 'system:domain-moved'

/** Digits that are taken from the end of the id, which is random. */
const ID_DIGITS = 12

/**
 * An inbox of an earlier owner gets another address, under which its tenant still finds it. Call it under the lock of the domain's row.
 *
 * @param domainId of the domain that decides about the address
 */
export async function releaseAddress(tx: Tx, address: string, domainId: string): Promise<void> {
  const alias = await aliases.getByAddress(tx, address)
  if (alias && alias.domain_id !== domainId) {
    const inbox = await inboxes.getById(tx, alias.inbox_id)
    if (!inbox || !(await isKept(tx, alias.domain_id, inbox, domainId))) await aliases.remove(tx, alias)
  }
  const earlier = await inboxes.lockOfOtherDomain(tx, address, domainId)
  if (!earlier || (await isKept(tx, earlier.domain_id, earlier, domainId))) return
  const renamed = { ...earlier, address: releasedAddress(earlier) }
  await inboxes.setAddress(tx, renamed.id, renamed.address)
  // An inbox that is being deleted has had its last event.
  if (earlier.deleting_at === null)
    tx.append(inboxUpdated({ actor: ACTOR, inbox: showInbox(renamed), previousAddress: earlier.address }))
}

/** Whether an address that was made in another domain, above, still counts: both are of the same tenant. */
async function isKept(tx: Tx, ownDomainId: string, inbox: InboxRow, decidingId: string): Promise<boolean> {
  const own = await domains.getById(tx, ownDomainId)
  return own?.holds_name === 1 && isDecidedFor(await domains.getById(tx, decidingId), ownDomainId, inbox)
}

/** @returns an address that no mail reaches, and nobody else can have (RFC 2606 §2) */
export function releasedAddress({ id, address }: Pick<InboxRow, 'id' | 'address'>): string {
  const { localPart, domain } = splitAddress(address)
  const unique = id.slice(-ID_DIGITS)
  const readable = `${localPart}@${unique}.${domain}.invalid`
  // Otherwise its tenant could not find the inbox by its address.
  return Buffer.byteLength(readable) <= ADDRESS_BYTES_MAX ? readable : `${localPart}@${unique}.invalid`
}
