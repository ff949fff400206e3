/** Queries for counts per period. Rows only: mail/access/rates.ts decides. */
import { sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import type { RateCountRow } from '../schema/account-rows.ts'
import { limitTo } from './conditions.ts'

type RateKey = Pick<RateCountRow, 'key' | 'period_start'>

export async function get(db: Db, { key, period_start }: RateKey): Promise<number> {
  const row = await db
    .selectFrom('rate_counts')
    .select('count')
    .where('key', '=', key)
    .where('period_start', '=', period_start)
    .executeTakeFirst()
  return Number(row?.count ?? 0)
}

/** Adds to the count of the row, or inserts it. Other transactions that count the same wait. @returns the new count */
export async function add(tx: Tx, row: RateCountRow): Promise<number> {
  const { count } = await tx
    .insertInto('rate_counts')
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(['key', 'period_start'])
        .doUpdateSet((eb) => ({ count: eb('rate_counts.count', '+', row.count) })),
    )
    .returning('count')
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Removes up to `limit` rows whose period is over. @returns how many */
export async function removeExpired(tx: Tx, now: number, limit: number): Promise<number> {
  const expired = sql`(select key, period_start from rate_counts where expires_at <= ${now} ${limitTo(limit)})`
  const rows = await tx
    .deleteFrom('rate_counts')
    .where(sql<boolean>`(key, period_start) in ${expired}`)
    .returning('key')
    .execute()
  return rows.length
}
