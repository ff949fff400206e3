/** Queries for counts per period. Rows only: mail/access/rates.ts decides. */
import { sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { leaseEnd } from '../leases.ts'
import { insertRows, selectRows } from '../row-statements.ts'
import type { RateCountRow } from '../schema/account-rows.ts'
import { limitTo } from './conditions.ts'

/** Adds to counts. */
export const addCounts = insertRows(
  'rate_counts',
  { key: 'text', period_start: 'bigint', count: 'bigint', expires_at: 'bigint' },
  { columns: ['key', 'period_start'], add: ['count'] },
)

/** Returns the counts of keys from `low` up to `high`, which is not included. */
export const selectCounts = selectRows<
  { readonly low: string; readonly high: string; readonly period_start: number },
  Pick<RateCountRow, 'key' | 'count'>
>(
  { low: 'text', high: 'text', period_start: 'bigint' },
  `select rate_counts.key, rate_counts.count from rate_counts
    where rate_counts.key >= :low and rate_counts.key < :high and rate_counts.period_start = :period_start`,
)

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

/**
 * Takes tokens from a bucket that holds `max` and gains as many in `periodMs`. Its row only says when it is full again: without
 * one, it is full. Other transactions that take from it wait. The time is that of leases: the clocks of nodes may differ by as much
 * as a bucket holds.
 *
 * @returns how many were taken, at most `tokens`, and how many are left, with a fraction
 */
export async function takeTokens(
  tx: Tx,
  { key, max, periodMs, tokens }: { key: string; max: number; periodMs: number; tokens: number },
): Promise<{ taken: number; left: number }> {
  const tokenMs = periodMs / max
  const row = await tx
    .forUpdate(
      tx
        .selectFrom('rate_counts')
        .select(sql<number>`expires_at - ${tx.leaseNow}`.as('ms'))
        .where('key', '=', key)
        .where('period_start', '=', BUCKET),
    )
    .executeTakeFirst()
  // More than a bucket can lack: the clock was set back.
  const isWrong = Number(row?.ms ?? 0) > 2 * periodMs
  const fullInMs = isWrong ? 0 : Math.max(0, Number(row?.ms ?? 0))
  const available = max - fullInMs / tokenMs
  const taken = Math.max(0, Math.min(tokens, Math.floor(available)))
  if (taken === 0) return { taken, left: Math.max(0, available) }
  const fullAt = leaseEnd(tx, Math.ceil(taken * tokenMs))
  await tx
    .insertInto('rate_counts')
    .values({ key, period_start: BUCKET, count: 0, expires_at: fullAt })
    .onConflict((conflict) =>
      conflict.columns(['key', 'period_start']).doUpdateSet({
        // Not the value from above: if there was no row, another node may have added it meanwhile.
        expires_at: isWrong
          ? fullAt
          : sql<number>`case when rate_counts.expires_at > ${tx.leaseNow} then rate_counts.expires_at - ${tx.leaseNow} else 0 end + ${fullAt}`,
      }),
    )
    .execute()
  return { taken, left: available - taken }
}

/** `period_start` of a bucket, which has no periods. */
const BUCKET = 0

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
