/** Queries for domains. Rows only. */
import type { Db, Tx } from '../handles.ts'
import type { DomainRow } from '../schema/tenant-rows.ts'

export async function getByName(db: Db, domain: string): Promise<DomainRow | undefined> {
  return db
    .selectFrom('domains')
    .selectAll()
    .where('domain', '=', domain)
    .where('deleting_at', 'is', null)
    .executeTakeFirst()
}

/** Returns those of the domains that exist, with the organization that owns each; null: it is shared. */
export async function listOwners(
  db: Db,
  domains: readonly string[],
): Promise<Pick<DomainRow, 'domain' | 'organization_id'>[]> {
  if (domains.length === 0) return []
  const query = db.selectFrom('domains').select(['domain', 'organization_id']).where('domain', 'in', domains)
  return query.where('deleting_at', 'is', null).execute()
}

/** Reads the domain and locks it until the commit. */
export async function lockById(tx: Tx, id: string): Promise<DomainRow | undefined> {
  return tx.forUpdate(tx.selectFrom('domains')).selectAll().where('id', '=', id).executeTakeFirst()
}

export async function insert(tx: Tx, row: DomainRow): Promise<void> {
  await tx.insertInto('domains').values(row).execute()
}

/** Counts the domains that the pod owns: such a pod cannot be deleted. */
export async function countByPod(db: Db, podId: string): Promise<number> {
  const row = await db
    .selectFrom('domains')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('pod_id', '=', podId)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

export async function countByOrganization(db: Db, organizationId: string): Promise<number> {
  const row = await db
    .selectFrom('domains')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('organization_id', '=', organizationId)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}
