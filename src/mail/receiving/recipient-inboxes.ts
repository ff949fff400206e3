/**
 * Finds the inboxes of recipients. Mail for a role name of one of our domains (RFC 2142) is the postmaster's, unless it
 * has an inbox of its own.
 */
import { splitAddress, withoutTag } from '../../formats/address/address.ts'
import type { Db, Tx } from '../../store/handles.ts'
import { rowStep } from '../../store/row-statements.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import { findReceiving } from '../domains/domains.ts'

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
   * @returns those that exist, by recipient
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
  const postmasterAddress = `postmaster@${sharedDomain}`

  return {
    async find(address) {
      const inbox = await inboxes.getReceiving(store.db, withoutTag(address))
      if (inbox && (await isDeciding(store.db, inbox))) return inbox
      if (!(await isRoleName(store.db, address))) return undefined
      return inboxes.getByAddress(store.db, postmasterAddress)
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
        if (inbox) found.set(recipient, inbox)
      }
      for (const recipient of recipients) {
        if (found.has(recipient) || !(await isRoleName(tx, recipient))) continue
        // It may have an inbox of its own that another node has locked: then it is not the postmaster's.
        if (skipLocked && (await inboxes.getByAddress(tx, withoutTag(recipient)))) continue
        const postmaster = (await lock([postmasterAddress])).get(postmasterAddress)
        if (postmaster) found.set(recipient, postmaster)
      }
      return found
    },
  }
}

/**
 * Whether the domain of an inbox decides about mail for its address. For an inbox in a subdomain, another tenant may have
 * verified that name since, or one between.
 */
async function isDeciding(db: Db, { address, domain, domain_id }: inboxes.ReceivingInboxRow): Promise<boolean> {
  const name = splitAddress(address).domain
  return name === domain || (await findReceiving(db, name))?.id === domain_id
}

/** Whether an address is a role name of one of our domains: without an inbox of its own, it is the postmaster's. */
async function isRoleName(db: Db, recipient: string): Promise<boolean> {
  const { localPart, domain } = splitAddress(withoutTag(recipient))
  return ROLE_NAMES.has(localPart) && (await findReceiving(db, domain)) !== undefined
}
