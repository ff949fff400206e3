/**
 * Limits how often something happens in an hour or a day. The counts are rows, so they hold over restarts and over nodes.
 *
 * Periods are fixed, and start at whole hours and days (UTC): one row per period instead of one per event. Around the
 * start of a period, twice the limit can happen in a short time.
 */
import { DAY, HOUR } from '../../config/limits/limit.ts'
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { Db, Tx } from '../../store/handles.ts'
import type { Store } from '../../store/store.ts'
import * as rateCounts from '../../store/tables/rate-counts-table.ts'

export interface Rate {
  /** What is counted, and for whom. At most a few hundred characters. */
  readonly key: string
  /** For the message of the error: "sign-ups from your network". */
  readonly what: string
  readonly max: number
  readonly period: 'hour' | 'day'
  /** How much is added; default 1. */
  readonly amount?: number
}

const PERIOD_MS = { hour: HOUR, day: DAY }

/**
 * Counts all of these, in the given order. If one is exceeded, the transaction must be rolled back, so that a refused
 * attempt does not count.
 *
 * @throws rate_limit_exceeded
 */
export async function countRates(tx: Tx, rates: readonly Rate[]): Promise<void> {
  for (const rate of rates) {
    const period_start = periodStart(rate, tx.now)
    const { key, amount = 1 } = rate
    const expires_at = period_start + PERIOD_MS[rate.period]
    const count = await rateCounts.add(tx, { key, period_start, count: amount, expires_at })
    if (count > rate.max) throw exceeded(rate, tx.now)
  }
}

/** Refuses what would exceed a limit, before any work. @param now epoch ms @throws rate_limit_exceeded */
export async function refuseExceeded(db: Db, rates: readonly Rate[], now: number): Promise<void> {
  for (const rate of rates) {
    const { key, amount = 1 } = rate
    const count = await rateCounts.get(db, { key, period_start: periodStart(rate, now) })
    if (count + amount > rate.max) throw exceeded(rate, now)
  }
}

/** Returns when the period began, epoch ms. */
export function periodStart({ period }: Pick<Rate, 'period'>, now: number): number {
  return now - (now % PERIOD_MS[period])
}

/** Returns the error for a rate that is exceeded. @param now epoch ms */
export function exceeded(rate: Rate, now: number): MailError {
  const endsAt = periodStart(rate, now) + PERIOD_MS[rate.period]
  const { what, max, period } = rate
  return new MailError('rate_limit_exceeded', {
    ...{ what, max, period },
    retryAfterSeconds: Math.ceil((endsAt - now) / 1_000),
  })
}

interface SweepNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly limits: Limits
}

/** Removes counts of periods that are over, in chunks. */
export async function sweepRates({ store, clock, limits }: SweepNeeds, signal: AbortSignal): Promise<void> {
  const { removalChunkRows } = limits.jobs
  let removed: number
  do {
    signal.throwIfAborted()
    removed = await store.transaction((tx) => rateCounts.removeExpired(tx, clock(), removalChunkRows))
  } while (removed === removalChunkRows)
}
