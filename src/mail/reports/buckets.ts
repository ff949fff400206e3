/**
 * Time ranges and periods of metrics: pure arithmetic on epoch milliseconds. Periods begin at multiples of their length
 * since 1970 in UTC, so hours begin on the hour and days at midnight, and there are no time zones or summer time.
 */

/** Epoch ms; from inclusive, before exclusive. */
export interface TimeRange {
  readonly from: number
  readonly before: number
}

export const HOUR_MS = 3_600_000

/** Returns the start of the period that contains a time. */
export function periodStart(at: number, periodMs: number): number {
  return Math.floor(at / periodMs) * periodMs
}

/** Returns the start of the first period that begins at a time or later. */
export function periodStartAfter(at: number, periodMs: number): number {
  return Math.ceil(at / periodMs) * periodMs
}

/** Widens a range to whole periods. */
export function wholePeriods({ from, before }: TimeRange, periodMs: number): TimeRange {
  return { from: periodStart(from, periodMs), before: periodStartAfter(before, periodMs) }
}

/** Returns the ends of the periods of a range, oldest first. The last one is the end of the range if it is earlier. */
export function periodEnds(range: TimeRange, periodMs: number): number[] {
  const ends: number[] = []
  for (let start = periodStart(range.from, periodMs); start < range.before; start += periodMs)
    ends.push(Math.min(start + periodMs, range.before))
  return ends
}

interface Counted {
  readonly at: number
  readonly count: number
}

/** Adds up counts by period: the start of each period that has any, and its sum, oldest first. */
export function sumByPeriod(counts: readonly Counted[], periodMs: number): Map<number, number> {
  const sums = new Map<number, number>()
  for (const { at, count } of counts) {
    const start = periodStart(at, periodMs)
    sums.set(start, (sums.get(start) ?? 0) + count)
  }
  return new Map([...sums].sort(([one], [other]) => one - other))
}

/**
 * Returns the sum of the periods in each window, in the order of `ends`. Linear: one pass adds what enters the window
 * and subtracts what leaves it.
 *
 * @param sums by start of period
 * @param ends ends of consecutive periods, oldest first; a window ends at the end of each, and contains whole periods
 */
export function rollingSums(
  sums: ReadonlyMap<number, number>,
  ends: readonly number[],
  { periodMs, windowMs }: { readonly periodMs: number; readonly windowMs: number },
): number[] {
  const first = ends[0]
  if (first === undefined) return []
  const firstEnd = periodStartAfter(first, periodMs)
  let sum = 0
  for (let start = firstEnd - windowMs; start < firstEnd - periodMs; start += periodMs) sum += sums.get(start) ?? 0
  return ends.map((_, index) => {
    const end = firstEnd + index * periodMs
    sum += sums.get(end - periodMs) ?? 0
    const inWindow = sum
    sum -= sums.get(end - windowMs) ?? 0
    return inWindow
  })
}

/** Returns the first `limit` points in the requested order. @param points oldest first */
export function inOrder<Point>(
  points: readonly Point[],
  { descending = false, limit }: { readonly descending?: boolean | undefined; readonly limit?: number | undefined },
): readonly Point[] {
  const ordered = descending ? points.toReversed() : points
  return limit === undefined ? ordered : ordered.slice(0, limit)
}
