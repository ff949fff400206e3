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

/** Whether one of the domains exists. */
export async function hasAny(db: Db, domains: readonly string[]): Promise<boolean> {
  if (domains.length === 0) return false
  const query = db.selectFrom('domains').select('id').where('domain', 'in', domains).where('deleting_at', 'is', null)
  return (await query.limit(1).executeTakeFirst()) !== undefined
}

/** Reads the domain and locks it until the commit. */
export async function lockById(tx: Tx, id: string): Promise<DomainRow | undefined> {
  return tx.forUpdate(tx.selectFrom('domains')).selectAll().where('id', '=', id).executeTakeFirst()
}

export async function insert(tx: Tx, row: DomainRow): Promise<void> {
  await tx.insertInto('domains').values(row).execute()
}

/** Whether the pod owns a domain: such a pod cannot be deleted. */
export async function podHasDomain(db: Db, podId: string): Promise<boolean> {
  const row = await db.selectFrom('domains').select('id').where('pod_id', '=', podId).limit(1).executeTakeFirst()
  return row !== undefined
}

export async function countByOrganization(db: Db, organizationId: string): Promise<number> {
  const row = await db
    .selectFrom('domains')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('organization_id', '=', organizationId)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}
