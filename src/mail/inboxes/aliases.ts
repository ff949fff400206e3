/**
 * Further addresses of an inbox. Mail for an alias is filed in its inbox. An alias can be in each domain in which the tenant may
 * create inboxes, and is unique among all addresses: for everyone else, it is in use like the address of an inbox.
 */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import { normaliseAddress, splitAddress } from '../../formats/address/address.ts'
import type { InboxAliasRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as domainsTable from '../../store/tables/domains-table.ts'
import * as aliasesTable from '../../store/tables/inbox-aliases-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import { assertKeyUnchanged, keyOf, lockInbox, requireInbox, requireKeyScope } from '../access/access.ts'
import type { Actor } from '../access/actor.ts'
import { requireDomain } from '../domains/domains.ts'
import { requireVerified, stateOf } from '../tenants/organization-state.ts'
import { parseInboxAddress, requireNameAllowed } from './inbox-address.ts'
import { releaseAddress } from './release-address.ts'

export interface Alias {
  /** local@domain, lower case. */
  readonly address: string
  /** Epoch ms. */
  readonly createdAt: number
}

/** All functions throw not_found, missing_permission; those that change something narrow_key for a key of one inbox. */
export interface Aliases {
  /**
   * @param address its domain is the shared one, or one that the tenant has verified
   * @returns the new alias, or the existing one
   * @throws validation_error, resource_taken, domain_not_available, domain_not_verified, limit_exceeded,
   *   organization_unverified; forbidden for a reserved name (inbox-address.ts)
   */
  create(actor: Actor, inbox: string, address: string): Promise<Alias>
  /** All aliases of the inbox, in the order of their text: at most `limits.policy.aliasesPerInboxMax`. */
  list(actor: Actor, inbox: string): Promise<Alias[]>
  delete(actor: Actor, inbox: string, address: string): Promise<void>
}

export function createAliases({ store, limits }: { readonly store: Store; readonly limits: Limits }): Aliases {
  const max = limits.policy.aliasesPerInboxMax

  return {
    async create(actor, inboxRef, text) {
      const { localPart, domain: name } = splitAddress(text)
      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const key = keyOf(actor)
        requireKeyScope(key, 'pod')
        const inbox = await lockInbox(tx, actor, 'inbox_update', inboxRef)
        const { organization_id: organizationId, pod_id: podId } = inbox
        await requireVerified(tx, organizationId, 'add aliases')
        const { id } = await requireDomain(tx, { organizationId, podId }, name.toLowerCase())
        // Addresses are added under this lock (add-inbox.ts), so that no other node adds the same one meanwhile.
        const domain = await domainsTable.lockById(tx, id)
        if (!domain) throw new MailError('domain_not_available', { domain: name })
        const address = parseInboxAddress(localPart, name.toLowerCase())
        const own = await aliasesTable.listByInbox(tx, inbox.id)
        const existing = own.find((alias) => alias.address === address)
        if (existing) return show(existing)
        requireNameAllowed(key, domain, address, (await stateOf(tx, organizationId)) !== undefined)
        if (own.length >= max) throw new MailError('limit_exceeded', { what: 'aliases of an inbox', max })
        await releaseAddress(tx, address, id)
        if (await inboxes.isAddressUsed(tx, address))
          throw new MailError('resource_taken', { what: `The address ${address}` })
        const row = { address, inbox_id: inbox.id, domain_id: id, created_at: tx.now }
        await aliasesTable.insert(tx, row)
        return show(row)
      })
    },

    async list(actor, inboxRef) {
      const { id } = await requireInbox(store.db, actor, 'inbox_read', inboxRef)
      return (await aliasesTable.listByInbox(store.db, id)).map(show)
    },

    async delete(actor, inboxRef, text) {
      await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        requireKeyScope(keyOf(actor), 'pod')
        const inbox = await lockInbox(tx, actor, 'inbox_update', inboxRef)
        const address = normaliseAddress(text) ?? ''
        const domainId = await aliasesTable.remove(tx, { inbox_id: inbox.id, address })
        if (domainId === undefined) throw new MailError('not_found', { what: 'Alias' })
        await domainsTable.removeUnused(tx, domainId)
      })
    },
  }
}

function show({ address, created_at: createdAt }: InboxAliasRow): Alias {
  return { address, createdAt }
}
