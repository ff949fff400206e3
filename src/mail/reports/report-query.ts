/** Checks the time range, period and order of a query for metrics. */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import { HOUR_MS, periodStart, type TimeRange } from './buckets.ts'

/** Common to all queries for metrics. */
export interface ReportQuery {
  /** Epoch ms, inclusive. Default: limits.reports.defaultRangeMs before the end. */
  readonly start?: number | undefined
  /** Epoch ms, exclusive. Default, and latest: now. */
  readonly end?: number | undefined
  /** Milliseconds. */
  readonly periodMs?: number | undefined
  /** The most points of each series. */
  readonly limit?: number | undefined
  /** Newest first. */
  readonly descending?: boolean | undefined
}

/**
 * @param now epoch ms
 * @returns the range that ends now at the latest; it is empty if it begins in the future
 * @throws validation_error if it begins too far in the past, or after its end
 */
export function readRange({ start, end }: ReportQuery, now: number, limits: Limits): TimeRange {
  if (start !== undefined && end !== undefined && start >= end) throw invalid('start', 'start must be before end')
  const before = Math.min(end ?? now + 1, now + 1) // what happened in this millisecond counts
  const from = start ?? before - limits.reports.defaultRangeMs
  // Whole hours: a client that computes the limit itself is not refused because its request took a while.
  if (from < periodStart(now - limits.reports.startAgeMsMax, HOUR_MS)) {
    const days = limits.reports.startAgeMsMax / (24 * HOUR_MS)
    throw invalid(start === undefined ? 'end' : 'start', `start must be within the last ${days} days`)
  }
  return { from: Math.min(from, before), before }
}

/** @throws validation_error if it is shorter or longer than allowed */
export function checkPeriod(periodMs: number, limits: Limits, min = limits.reports.periodMsMin): number {
  const max = limits.reports.periodMsMax
  if (periodMs >= min && periodMs <= max) return periodMs
  throw invalid('period', `period must be between ${min / 1_000} and ${max / 1_000} seconds`)
}

/** @throws query_range_too_wide if the range has more periods than one query may ask for */
export function checkBuckets({ from, before }: TimeRange, periodMs: number, limits: Limits): void {
  if (Math.ceil((before - from) / periodMs) <= limits.reports.bucketsMax) return
  throw new MailError('query_range_too_wide', {
    detail: `The time range has more than ${limits.reports.bucketsMax} periods of ${periodMs / 1_000} seconds`,
  })
}

export function invalid(name: string, detail: string): MailError<'validation_error'> {
  return new MailError('validation_error', { detail, path: [name] })
}
