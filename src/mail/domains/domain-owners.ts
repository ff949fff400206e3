/**
 * Finds the organizations that own the domains in the From field of received mail. Most of these domains belong to no
 * organization, and the same ones occur again and again, so answers are cached: each node may miss a domain that was
 * just added, for a minute.
 */
import type { Limits } from '../../config/limits.ts'
import { LruCache } from '../../store/lru-cache.ts'
import type { Store } from '../../store/store.ts'
import * as domainsTable from '../../store/tables/domains-table.ts'
import { decidingClaim, decidingNames } from './domain-name.ts'

/** Organizations; null stands for the shared domain, which belongs to all. */
export type DomainOwner = string | null

export interface DomainOwners {
  /** @param domains as A-labels, each once */
  find(domains: readonly string[]): Promise<ReadonlySet<DomainOwner>>
}

interface OwnersNeeds {
  readonly store: Pick<Store, 'db'>
  readonly clock: () => number
  readonly limits: Limits
}

interface CachedOwner {
  /** undefined: no organization owns it. */
  owner: DomainOwner | undefined
  /** Epoch ms; until then it is not looked up again. */
  until: number
}

export function createDomainOwners({ store, clock, limits }: OwnersNeeds): DomainOwners {
  const cache = new LruCache<CachedOwner>(limits.messages.fromDomainsCachedMax)

  return {
    async find(domains) {
      const now = clock()
      const entries = domains.map(
        (domain) => [domain, cache.getOrAdd(domain, () => ({ owner: undefined, until: 0 }))] as const,
      )
      const unknown = entries.filter(([, { until }]) => until <= now)
      const names = [...new Set(unknown.flatMap(([domain]) => decidingNames(domain)))]
      const holders = await domainsTable.listHolders(store.db, names)
      for (const [domain, entry] of unknown) {
        entry.owner = decidingClaim(domain, holders)?.organization_id
        entry.until = now + limits.messages.fromDomainsCachedMs
      }
      return new Set(entries.flatMap(([, { owner }]) => (owner === undefined ? [] : [owner])))
    },
  }
}
