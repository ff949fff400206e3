/**
 * Finds the inboxes of recipients. An address belongs to the inbox that has it as its own address or as an alias. Mail for a
 * role name of one of our domains (RFC 2142) is the postmaster's, unless it has an inbox of its own. All other addresses of a
 * domain belong to its catch-all inbox, if it has one.
 */

import { splitAddress, withoutTag } from '../../formats/address/address.ts'
import type { Db, Tx } from '../../store/handles.ts'
import { rowStep } from '../../store/row-statements.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import { findReceiving, isDecidedFor } from '../domains/domains.ts'
import { postmasterAddress } from '../inboxes/inbox-address.ts'

export interface RecipientInboxes {
  /**
   * Returns the inbox that an address is delivered to, if mail for its domain is delivered here.
   *
   * @param address normalised; a plus-tag is ignored
   */
  find(address: string): Promise<InboxRow | undefined>
  /**
   * Locks the inboxes of recipients, in an order that is the same for all nodes.
   *
   * @param skipLocked leaves out those that another node has locked
   * @returns those that exist and whose domains are still held, by recipient
   */
  lock(
    tx: Tx,
    recipients: readonly string[],
    options: { readonly skipLocked: boolean },
  ): Promise<Map<string, inboxes.RecipientInboxRow>>
}

/**
 * Local parts that every domain accepts, even without such an inbox: RFC 2142 §5 and §4, and the sender of our notices.
 * Otherwise an agent that replies to every message would get a notice that its reply to a notice is undeliverable, and
 * would reply to that.
 */
const ROLE_NAMES: ReadonlySet<string> = new Set(['postmaster', 'abuse', 'mailer-daemon'])

/** @param needs `domain`: the shared domain, which has the postmaster's inbox */
export function createRecipientInboxes({
  store,
  domain: sharedDomain,
}: {
  readonly store: Pick<Store, 'db'>
  readonly domain: string
}): RecipientInboxes {
  const postmaster = postmasterAddress(sharedDomain)

  return {
    async find(address) {
      const inbox = await findOwn(store.db, address)
      if (inbox) return inbox
      if (!(await isRoleName(store.db, address))) return undefined
      return inboxes.getByAddress(store.db, postmaster)
    },

    async lock(tx, recipients, { skipLocked }) {
      const select = skipLocked ? inboxes.selectAndLockFree : inboxes.selectAndLock
      const lock = async (addresses: readonly string[]) => {
        const rows = [...new Set(addresses)].sort().map((address) => ({ address }))
        const [locked] = await tx.runRows([rowStep(select, rows)])
        return new Map(locked.map((inbox) => [inbox.address, inbox]))
      }
      const byAddress = await lock(recipients.map(withoutTag))
      const found = new Map<string, inboxes.RecipientInboxRow>()
      for (const recipient of recipients) {
        const inbox = byAddress.get(withoutTag(recipient))
        // An inbox of an earlier owner of the domain has no domain that is held; one below a domain is decided below.
        if (inbox && inbox.domain === splitAddress(inbox.address).domain) found.set(recipient, inbox)
      }
      // Few recipients have an address that is not the inbox's own, so only these cost further statements.
      for (const recipient of recipients) {
        if (found.has(recipient)) continue
        const own = await findOwn(tx, recipient)
        // Another node may have locked the inbox that has this address: then it is left out.
        if (own?.address === withoutTag(recipient)) {
          const inbox = byAddress.get(own.address)
          if (inbox) found.set(recipient, inbox)
          continue
        }
        if (!own && !(await isRoleName(tx, recipient))) continue
        const address = own?.address ?? postmaster
        const inbox = byAddress.get(address) ?? (await lock([address])).get(address)
        if (inbox) found.set(recipient, inbox)
      }
      return found
    },
  }
}

/**
 * Returns the inbox with this address or alias, or the catch-all inbox of the domain.
 *
 * The domain of an address in a subdomain may not decide about it: another tenant may have verified that name since, or one
 * between.
 */
async function findOwn(db: Db, recipient: string): Promise<InboxRow | undefined> {
  const address = withoutTag(recipient)
  const { localPart, domain } = splitAddress(address)
  const caught = ROLE_NAMES.has(localPart) ? '' : domain
  const inbox = await inboxes.getReceiving(db, { address, domain: caught })
  if (!inbox) return undefined
  const isOwn = domain === inbox.domain || isDecidedFor(await findReceiving(db, domain), inbox.address_domain_id, inbox)
  return isOwn ? inbox : inboxes.getReceiving(db, { address: '', domain: caught }) // the catch-all alone
}

/** Whether an address is a role name of one of our domains: without an inbox of its own, it is the postmaster's. */
async function isRoleName(db: Db, recipient: string): Promise<boolean> {
  const { localPart, domain } = splitAddress(withoutTag(recipient))
  return ROLE_NAMES.has(localPart) && (await findReceiving(db, domain)) !== undefined
}
