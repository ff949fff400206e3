/**
 * What the rest of the server asks about domains: whether mail for a name is delivered here, which key signs the mail of
 * an inbox, and whether an inbox may be created in a name.
 *
 * Several tenants may claim a name (tenant-domains.ts). The one that has verified it holds it; nothing else counts here.
 * So mail to a name that nobody has verified goes to its own mail servers, whatever a tenant claims.
 */
import { MailError } from '../../errors.ts'
import type { Db } from '../../store/handles.ts'
import type { DomainRow, InboxRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as domains from '../../store/tables/domains-table.ts'
import type { Scope } from '../access/access.ts'
import { decidingClaim, decidingNames } from './domain-name.ts'
import { makePrivateKey, readSigningKey, type SigningKey, storeSigningKey } from './signing-keys.ts'

const SHARED_SELECTOR = 'martlet'

export interface Domains {
  /** Creates the shared domain with its key unless it exists. */
  ensureShared(domain: string): Promise<DomainRow>
  /** Whether mail for this domain is delivered here. */
  isOurs(domain: string): Promise<boolean>
  /** Whether a tenant has verified this domain, or one above it that allows subdomains; or it is the shared one. */
  isHeld(domain: string): Promise<boolean>
  /**
   * Returns the key for mail of the domain with this id; undefined if it was deleted. It is cached in memory, also after that: the
   * transaction that sends the mail checks the domain (sending/compose/require-sendable.ts).
   */
  signingKey(domainId: string): Promise<SigningKey | undefined>
}

export function createDomains({ store }: { readonly store: Store }): Domains {
  const signingKeys = new Map<string, SigningKey>()

  return {
    async ensureShared(domain) {
      const [existing] = await domains.listHolders(store.db, [domain])
      if (existing) return existing
      const privateKeyPem = await makePrivateKey()
      return store.transaction(async (tx) => {
        const [madeMeanwhile] = await domains.listHolders(tx, [domain])
        if (madeMeanwhile) return madeMeanwhile
        const row: DomainRow = {
          ...newDomain(domain, SHARED_SELECTOR),
          id: tx.newId(),
          organization_id: null,
          status: 'VERIFIED',
          holds_name: 1,
          created_at: tx.now,
          updated_at: tx.now,
        }
        await domains.insert(tx, row)
        await storeSigningKey(tx, row, privateKeyPem)
        return row
      })
    },

    isHeld: async (domain) => (await findHolder(store.db, domain)) !== undefined,

    isOurs: async (domain) => (await findReceiving(store.db, domain)) !== undefined,

    async signingKey(domainId) {
      const known = signingKeys.get(domainId)
      if (known) return known
      const row = await domains.getById(store.db, domainId)
      const key = row && (await readSigningKey(store.db, row))
      if (key) signingKeys.set(domainId, key)
      return key
    },
  }
}

/** Returns what every new domain has. */
export function newDomain(domain: string, selector: string) {
  return {
    pod_id: null,
    domain,
    client_id: null,
    status: 'NOT_STARTED',
    reason: null,
    holds_name: 0,
    inbound_enabled: 1,
    feedback_enabled: 1,
    subdomains_enabled: 0,
    catch_all_inbox_id: null,
    dkim_selector: selector,
    records: null,
    checks: 0,
    checked_at: null,
    next_check_at: null,
    lost_at: null,
    created_by: null,
    deleting_at: null,
  } as const
}

/** Returns the claim that decides about a name, if a tenant holds it. */
export async function findHolder(db: Db, domain: string): Promise<DomainRow | undefined> {
  return decidingClaim(domain, await domains.listHolders(db, decidingNames(domain)))
}

/** The same, if mail for the name is delivered here. */
export async function findReceiving(db: Db, domain: string): Promise<DomainRow | undefined> {
  const row = await findHolder(db, domain)
  return row?.inbound_enabled === 1 ? row : undefined
}

/** Whether a tenant has claimed a name for receiving mail, and nobody holds it yet. */
export async function isAwaited(db: Db, domain: string): Promise<boolean> {
  return (await domains.isClaimed(db, domain)) && (await findHolder(db, domain)) === undefined
}

/**
 * Returns the domain for a new inbox, if the scope may use it: the shared domain, one that the tenant has verified, or
 * one below it where that is allowed.
 *
 * @throws domain_not_available; domain_not_verified if the tenant has claimed it only
 */
export async function requireDomain(db: Db, scope: Scope, domain: string): Promise<DomainRow> {
  const row = await findHolder(db, domain)
  const isShared = row?.organization_id === null
  if (row && (isShared || isOpenTo(row, scope))) return row
  const claims = await domains.listByName(db, scope, domain)
  if (claims.length > 0) throw new MailError('domain_not_verified', { domain })
  throw new MailError('domain_not_available', { domain })
}

/**
 * Whether an inbox may use an address in a name: the domain of the address decides about the name, or one that is open to the same
 * tenant does. So a tenant that verifies a domain below its own keeps the inboxes that it has there.
 *
 * @param deciding about the name
 * @param domainId of the address, which is held
 */
export function isDecidedFor(
  deciding: DomainRow | undefined,
  domainId: string,
  { organization_id: organizationId, pod_id: podId }: Pick<InboxRow, 'organization_id' | 'pod_id'>,
): boolean {
  return deciding !== undefined && (deciding.id === domainId || isOpenTo(deciding, { organizationId, podId }))
}

function isOpenTo(row: DomainRow, { organizationId, podId }: Scope): boolean {
  if (row.organization_id !== organizationId) return false
  return row.pod_id === null || podId === undefined || row.pod_id === podId
}
