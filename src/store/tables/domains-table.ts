/**
 * Queries for domains. Rows only. Several rows may have the same name; the one that holds it decides about mail for it
 * (`holds_name`). Deleted domains are hidden.
 */
import { type Expression, type SqlBool, sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import type { DomainRow } from '../schema/tenant-rows.ts'
import { type Keyset, onePage } from './keyset.ts'

const rowById = prepareQuery((db, { id }: { id: string }) =>
  db.selectFrom('domains').selectAll().where('id', '=', id).where('deleting_at', 'is', null),
)

export async function getById(db: Db, id: string): Promise<DomainRow | undefined> {
  const [row] = await rowById(db, { id })
  return row
}

const holders = prepareQuery((db, { names }: { names: readonly string[] }) =>
  db.selectFrom('domains').selectAll().where('domain', 'in', names).where('holds_name', '=', sql.lit(1)),
)

/** Returns the rows that hold one of these names. */
export async function listHolders(db: Db, names: readonly string[]): Promise<DomainRow[]> {
  return names.length === 0 ? [] : holders(db, { names })
}

/** Returns the shared domains: that of MARTLET_DOMAIN, and those of its earlier values. */
export async function listShared(db: Db): Promise<Pick<DomainRow, 'id' | 'domain'>[]> {
  return db.selectFrom('domains').select(['id', 'domain']).where('organization_id', 'is', null).orderBy('id').execute()
}

/** Returns the address of any inbox in a domain, except this one. */
export async function findInboxAddress(db: Db, domainId: string, except: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('inboxes')
    .select('address')
    .where('domain_id', '=', domainId)
    .where('address', '!=', except)
    .where('deleting_at', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return row?.address
}

/** A scope; a row of another pod is outside. */
export interface DomainScope {
  readonly organizationId: string
  readonly podId?: string | undefined
}

/** Returns the claims of a scope to a name, in any order: with a pod, its own and those for all pods. */
export async function listByName(db: Db, scope: DomainScope, domain: string): Promise<DomainRow[]> {
  return db
    .selectFrom('domains')
    .selectAll()
    .where('domain', '=', domain)
    .where('organization_id', '=', scope.organizationId)
    .where(visibleIn(scope))
    .where('deleting_at', 'is', null)
    .execute()
}

/** Whether any tenant claims the name for receiving mail. */
export async function isClaimed(db: Db, domain: string): Promise<boolean> {
  const row = await db
    .selectFrom('domains')
    .select('id')
    .where('domain', '=', domain)
    .where('inbound_enabled', '=', 1)
    .where('deleting_at', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** @param podId null: only a claim for all pods */
export async function getByClientId(
  db: Db,
  organizationId: string,
  podId: string | null,
  clientId: string,
): Promise<DomainRow | undefined> {
  return db
    .selectFrom('domains')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('pod_id', podId === null ? 'is' : '=', podId)
    .where('client_id', '=', clientId)
    .where('deleting_at', 'is', null)
    .executeTakeFirst()
}

export async function list(db: Db, scope: DomainScope, keyset: Keyset): Promise<DomainRow[]> {
  return db
    .selectFrom('domains')
    .selectAll()
    .where('organization_id', '=', scope.organizationId)
    .where(visibleIn(scope))
    .where('deleting_at', 'is', null)
    .$call((query) => onePage(query, 'created_at', keyset))
    .execute()
}

/** A domain of the organization is open to all of its pods. */
function visibleIn({ podId }: DomainScope): Expression<SqlBool> {
  return podId === undefined ? sql<SqlBool>`1 = 1` : sql<SqlBool>`(pod_id is null or pod_id = ${podId})`
}

/** Reads the domain and locks it until the commit. */
export async function lockById(tx: Tx, id: string): Promise<DomainRow | undefined> {
  return tx
    .forUpdate(tx.selectFrom('domains'))
    .selectAll()
    .where('id', '=', id)
    .where('deleting_at', 'is', null)
    .executeTakeFirst()
}

export async function insert(tx: Tx, row: DomainRow): Promise<void> {
  await tx.insertInto('domains').values(row).execute()
}

export async function update(
  tx: Tx,
  id: string,
  change: Partial<Omit<DomainRow, 'id' | 'organization_id' | 'pod_id' | 'domain' | 'created_at'>>,
): Promise<void> {
  await tx.updateTable('domains').set(change).where('id', '=', id).execute()
}

/** Reads the claims of all tenants to a name and locks them until the commit. */
export async function lockByName(tx: Tx, domain: string): Promise<DomainRow[]> {
  return tx
    .forUpdate(tx.selectFrom('domains'))
    .selectAll()
    .where('domain', '=', domain)
    .where('deleting_at', 'is', null)
    .orderBy('id')
    .execute()
}

export async function isAnyDue(db: Db, now: number): Promise<boolean> {
  const row = await db
    .selectFrom('domains')
    .select('id')
    .where('next_check_at', 'is not', null)
    .where('next_check_at', '<=', now)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Locks domains whose check is due, earliest first. */
export async function lockDue(tx: Tx, now: number, limit: number): Promise<string[]> {
  const rows = await tx
    .forUpdate(tx.selectFrom('domains'))
    .select('id')
    .where('next_check_at', 'is not', null)
    .where('next_check_at', '<=', now)
    .orderBy('next_check_at')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}

/** Gives the inboxes and aliases of the tenant's earlier, deleted claims to this name to its new one. */
export async function adoptInboxes(tx: Tx, domain: DomainRow): Promise<void> {
  const earlier = tx
    .selectFrom('domains')
    .select('domains.id')
    .where('domains.domain', '=', domain.domain)
    .where('domains.organization_id', '=', domain.organization_id)
    .where('domains.deleting_at', 'is not', null)
  await tx
    .updateTable('inboxes')
    .set({ domain_id: domain.id })
    .where('domain_id', 'in', earlier)
    .$if(domain.pod_id !== null, (query) => query.where('pod_id', '=', domain.pod_id!))
    .execute()
  await tx
    .updateTable('inbox_aliases')
    .set({ domain_id: domain.id })
    .where('domain_id', 'in', earlier)
    .$if(domain.pod_id !== null, (query) =>
      query.where('inbox_id', 'in', tx.selectFrom('inboxes').select('inboxes.id').where('pod_id', '=', domain.pod_id!)),
    )
    .execute()
}

/** No domain has this inbox as its catch-all any more. */
export async function removeCatchAll(tx: Tx, inboxId: string): Promise<void> {
  await tx.updateTable('domains').set({ catch_all_inbox_id: null }).where('catch_all_inbox_id', '=', inboxId).execute()
}

/** Removes a deleted domain that no inbox and no alias refers to. */
export async function removeUnused(tx: Tx, id: string): Promise<void> {
  await tx
    .deleteFrom('domains')
    .where('id', '=', id)
    .where('deleting_at', 'is not', null)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('inboxes').select('inboxes.id').where('inboxes.domain_id', '=', id))),
    )
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('inbox_aliases').select('address').where('inbox_aliases.domain_id', '=', id))),
    )
    .execute()
}

/** Counts the domains that the pod owns: such a pod cannot be deleted. */
export async function countByPod(db: Db, podId: string): Promise<number> {
  const row = await db
    .selectFrom('domains')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('pod_id', '=', podId)
    .where('deleting_at', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

export async function countByOrganization(db: Db, organizationId: string): Promise<number> {
  const row = await db
    .selectFrom('domains')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('organization_id', '=', organizationId)
    .where('deleting_at', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}
