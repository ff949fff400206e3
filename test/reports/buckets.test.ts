/** Tests the arithmetic of periods and windows. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { inOrder, periodEnds, rollingSums, sumByPeriod, wholePeriods } from '../../src/mail/reports/buckets.ts'
import { checkBuckets, readRange } from '../../src/mail/reports/report-query.ts'

const limits = withLimits()
const DAY = 86_400_000
const now = Date.UTC(2026, 9, 25, 12, 34, 56) // the day on which summer time ends in Europe

test('periods begin at multiples of their length in UTC; an end is exclusive', () => {
  expect(wholePeriods({ from: 60_001, before: 120_000 }, 60_000)).toEqual({ from: 60_000, before: 120_000 })
  expect(wholePeriods({ from: 60_000, before: 120_001 }, 60_000)).toEqual({ from: 60_000, before: 180_000 })
  const counts = [
    { at: 119_999, count: 2 },
    { at: 60_000, count: 1 },
    { at: 120_000, count: 4 },
  ]
  expect([...sumByPeriod(counts, 60_000)]).toEqual([
    [60_000, 3],
    [120_000, 4],
  ])
  const day = wholePeriods({ from: now, before: now + 1 }, DAY)
  expect(day).toEqual({ from: Date.UTC(2026, 9, 25), before: Date.UTC(2026, 9, 26) })
})

test('the last period ends at the end of the range', () => {
  expect(periodEnds({ from: 60_000, before: 150_000 }, 60_000)).toEqual([120_000, 150_000])
  expect(periodEnds({ from: 60_001, before: 120_000 }, 60_000)).toEqual([120_000])
  expect(periodEnds({ from: 60_000, before: 60_000 }, 60_000)).toEqual([])
})

test('a window contains the periods up to its end', () => {
  const sums = new Map([
    [0, 1],
    [10, 2],
    [30, 4],
    [40, 8],
  ])
  const ends = periodEnds({ from: 20, before: 45 }, 10)
  expect(ends).toEqual([30, 40, 45])
  expect(rollingSums(sums, ends, { periodMs: 10, windowMs: 20 })).toEqual([2, 4, 12])
  expect(rollingSums(sums, ends, { periodMs: 10, windowMs: 10 })).toEqual([0, 4, 8])
  expect(rollingSums(sums, ends, { periodMs: 10, windowMs: 50 })).toEqual([3, 7, 15])
  expect(rollingSums(sums, [], { periodMs: 10, windowMs: 50 })).toEqual([])
})

test('a limit keeps the first points in the requested order', () => {
  expect(inOrder([1, 2, 3], {})).toEqual([1, 2, 3])
  expect(inOrder([1, 2, 3], { limit: 2 })).toEqual([1, 2])
  expect(inOrder([1, 2, 3], { limit: 2, descending: true })).toEqual([3, 2])
})

test('a range is the last day by default, ends now, and begins in the last 90 days', () => {
  expect(readRange({}, now, limits)).toEqual({ from: now + 1 - DAY, before: now + 1 })
  expect(readRange({ end: now + DAY }, now, limits)).toEqual({ from: now + 1 - DAY, before: now + 1 })
  expect(readRange({ start: now + DAY }, now, limits)).toEqual({ from: now + 1, before: now + 1 })
  expect(readRange({ start: now - 90 * DAY }, now, limits).from).toBe(now - 90 * DAY)
  const refused = { code: 'validation_error' }
  expect(() => readRange({ start: now - 91 * DAY }, now, limits)).toThrow(
    expect.objectContaining({
      ...refused,
      params: { path: ['start'], detail: 'start must be within the last 90 days' },
    }),
  )
  expect(() => readRange({ end: now - 90 * DAY }, now, limits)).toThrow(expect.objectContaining(refused))
  expect(() => readRange({ start: now, end: now }, now, limits)).toThrow(expect.objectContaining(refused))
})

test('a range has at most 1,000 periods', () => {
  expect(() => checkBuckets({ from: 0, before: 60_000_000 }, 60_000, limits)).not.toThrow()
  expect(() => checkBuckets({ from: 0, before: 60_000_001 }, 60_000, limits)).toThrow(
    expect.objectContaining({ code: 'query_range_too_wide' }),
  )
})
