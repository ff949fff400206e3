/**
 * Finds the inboxes of recipients. An address belongs to the inbox that has it as its own address or as an alias. Mail for a
 * role name of one of our domains (RFC 2142) is the postmaster's, unless it has an inbox of its own. All other addresses of a
 * domain belong to its catch-all inbox, if it has one.
 */

import { splitAddress, withoutTag } from '../../formats/address/address.ts'
import type { Db, Tx } from '../../store/handles.ts'
import { rowStep } from '../../store/row-statements.ts'
import type { Store } from '../../store/store.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import {
  getReceiving,
  getReceivingByOwnAddress,
  type ReceivingInbox,
  type ReceivingInboxRow,
} from '../../store/tables/receiving-inboxes-table.ts'
import { whenReady } from '../../when-ready.ts'
import { findReceiving, isDecidedFor } from '../domains/domains.ts'
import { postmasterAddress } from '../inboxes/inbox-address.ts'

export interface RecipientInboxes {
  /**
   * Returns the inbox that an address is delivered to, if mail for its domain is delivered here.
   *
   * @param address normalised; a plus-tag is ignored
   * @returns a promise only if the database has to be waited for, or the address is not the inbox's own
   */
  find(address: string): ReceivingInbox | undefined | Promise<ReceivingInbox | undefined>
  /**
   * Locks the inboxes of recipients, in an order that is the same for all nodes.
   *
   * @param skipLocked leaves out those that another node has locked
   * @returns those that exist and whose recipient is in a domain that is still held, by recipient
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
    find: (address) => findRecipientInbox(store.db, address, sharedDomain),

    async lock(tx, recipients, { skipLocked }) {
      const own = [...new Set(recipients.map(withoutTag))].sort()
      // A single inbox is tried without a wait. Several are waited for in their order, before any is read.
      const isWaiting = !skipLocked && own.length > 1
      const byAddress = await (isWaiting ? waitForInboxes(tx, own) : lockFree(tx, own))
      const found = new Map<string, inboxes.RecipientInboxRow>()
      for (const recipient of recipients) {
        const inbox = byAddress.get(withoutTag(recipient))
        // An inbox of an earlier owner of the domain has no domain that is held; it and one below a domain are decided below.
        if (inbox && inbox.domain === splitAddress(inbox.address).domain) found.set(recipient, inbox)
      }
      // Few recipients have an address that is not the inbox's own, or wait, so only these cost further statements.
      for (const recipient of recipients) {
        if (found.has(recipient)) continue
        const inbox = await lockOther(tx, recipient, { byAddress, skipLocked })
        if (inbox) found.set(recipient, inbox)
      }
      return found
    },
  }

  /**
   * Locks the inbox of a recipient that has not been found by its own address. An address counts only if it was looked up after its inbox was
   * locked: before, another node may have given the alias or the catch-all to another inbox, or have deleted the domain.
   */
  async function lockOther(
    tx: Tx,
    recipient: string,
    { byAddress, skipLocked }: { readonly byAddress: Locked; readonly skipLocked: boolean },
  ): Promise<inboxes.RecipientInboxRow | undefined> {
    const locked = new Map(byAddress)
    let tried = withoutTag(recipient)
    let waitedFor: string | undefined
    for (;;) {
      const address = await addressOf(tx, recipient)
      if (address === undefined) return undefined
      if (locked.has(address) || address === waitedFor) return locked.get(address)
      if (address !== tried) {
        await add(lockFree(tx, [address]))
        tried = address
        if (locked.has(address)) continue
      }
      if (skipLocked) return undefined
      await add(waitForInboxes(tx, [address]))
      waitedFor = address
    }

    async function add(more: Promise<Locked>): Promise<void> {
      for (const [address, inbox] of await more) locked.set(address, inbox)
    }
  }

  /** Returns the address of the inbox that gets mail for a recipient. */
  async function addressOf(tx: Tx, recipient: string): Promise<string | undefined> {
    const own = await findFurther(tx, withoutTag(recipient), undefined)
    if (own) return own.address
    return (await isRoleName(tx, recipient)) ? postmaster : undefined
  }
}

/** As `RecipientInboxes.find`, for callers with a transaction. */
export function findRecipientInbox(
  db: Db,
  address: string,
  sharedDomain: string,
): ReceivingInbox | undefined | Promise<ReceivingInbox | undefined> {
  return whenReady(findOwn(db, address), (inbox) => inbox ?? findPostmaster(db, address, sharedDomain))
}

async function findPostmaster(db: Db, address: string, sharedDomain: string): Promise<ReceivingInbox | undefined> {
  return (await isRoleName(db, address)) ? inboxes.getByAddress(db, postmasterAddress(sharedDomain)) : undefined
}

type Locked = ReadonlyMap<string, inboxes.RecipientInboxRow>

/** Locks inboxes without those that another node has locked. */
async function lockFree(tx: Tx, addresses: readonly string[]): Promise<Locked> {
  const rows = addresses.map((address) => ({ address }))
  const [locked] = await tx.runRows([rowStep(inboxes.selectAndLockFree, rows)])
  return new Map(locked.map((inbox) => [inbox.address, inbox]))
}

/** Waits for other nodes and locks inboxes. One statement waits, and the next one reads what other nodes have committed. */
async function waitForInboxes(tx: Tx, addresses: readonly string[]): Promise<Locked> {
  const rows = addresses.map((address) => ({ address }))
  const [, locked] = await tx.runRows([rowStep(inboxes.waitAndLock, rows), rowStep(inboxes.selectAndLockFree, rows)])
  return new Map(locked.map((inbox) => [inbox.address, inbox]))
}

/**
 * Returns the inbox with this address or alias, or the catch-all inbox of the domain.
 *
 * The domain of an address in a subdomain may not decide about it: another tenant may have verified that name since, or one
 * between.
 */
function findOwn(db: Db, recipient: string): ReceivingInbox | undefined | Promise<ReceivingInbox | undefined> {
  const address = withoutTag(recipient)
  return whenReady(getReceivingByOwnAddress(db, address), (own) => {
    const isDecided = own !== undefined && own.domain === splitAddress(address).domain
    return isDecided ? own : findFurther(db, address, own)
  })
}

/** @param own the inbox whose own address this is, if it has been looked up */
async function findFurther(
  db: Db,
  address: string,
  own: ReceivingInboxRow | undefined,
): Promise<ReceivingInbox | undefined> {
  const { localPart, domain } = splitAddress(address)
  const caught = ROLE_NAMES.has(localPart) ? '' : domain
  const inbox = own ?? (await getReceiving(db, { address, domain: caught }))
  if (!inbox) return undefined
  const isOwn = domain === inbox.domain || isDecidedFor(await findReceiving(db, domain), inbox.address_domain_id, inbox)
  return isOwn ? inbox : getReceiving(db, { address: '', domain: caught }) // the catch-all alone
}

/** Whether an address is a role name of one of our domains: without an inbox of its own, it is the postmaster's. */
async function isRoleName(db: Db, recipient: string): Promise<boolean> {
  const { localPart, domain } = splitAddress(withoutTag(recipient))
  return ROLE_NAMES.has(localPart) && (await findReceiving(db, domain)) !== undefined
}
