/** Tests the limits per period that a node keeps in memory. */
import { expect, test } from 'vitest'
import { RateBuckets } from '../../src/mail/access/rate-buckets.ts'

const MINUTE = 60_000

test('a key has its limit at once, then one token after the other', () => {
  let now = 0
  const buckets = new RateBuckets({ max: 6, periodMs: 60 * MINUTE, keysMax: 10, clock: () => now })
  const takes = (key: string, count: number) => Array.from({ length: count }, () => buckets.take(key)).filter(Boolean)
  expect([takes('a', 8).length, takes('b', 3).length, buckets.hasToken('a')]).toEqual([6, 3, false])
  now += 10 * MINUTE
  expect([buckets.hasToken('a'), takes('a', 2).length]).toEqual([true, 1])
  now += 600 * MINUTE
  expect(takes('a', 8)).toHaveLength(6)
})

test('the number of keys is bounded: the one that was not used for the longest time is forgotten', () => {
  const buckets = new RateBuckets({ max: 1, periodMs: 60 * MINUTE, keysMax: 2, clock: () => 0 })
  expect(['a', 'b', 'a', 'c', 'a', 'b'].map((key) => buckets.take(key))).toEqual([true, true, false, true, false, true])
})

test('0 is no limit', () => {
  const buckets = new RateBuckets({ max: 0, periodMs: 60 * MINUTE, keysMax: 1, clock: () => 0 })
  expect([buckets.take('a'), buckets.take('a'), buckets.hasToken('a')]).toEqual([true, true, true])
})
