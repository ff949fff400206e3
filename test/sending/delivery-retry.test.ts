/** Tests when a recipient with a temporary failure is retried. The worker's tests shorten all waits, so they cannot see them. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { retryDelayMs } from '../../src/mail/sending/queue/delivery-retry.ts'

const MINUTE = 60_000
const limits = withLimits({ delivery: { retryFirstMs: MINUTE, retryMsMax: 100 * MINUTE } })

test.each([
  [1, 1],
  [2, 5],
  [3, 15],
  [4, 30],
  [5, 60],
  [6, 100], // twice 60 is longer than the limit
  [7, 100],
  [5_000, 100], // 15 * 2 ** 4,997 is infinite
])('after attempt %i, the next one is due in %i minutes, give or take a fifth', (attempts, minutes) => {
  expect(retryDelayMs(attempts, 0.5, limits)).toBe(minutes * MINUTE)
  expect(retryDelayMs(attempts, 0, limits)).toBe(0.8 * minutes * MINUTE)
  expect(retryDelayMs(attempts, 1, limits)).toBe(1.2 * minutes * MINUTE)
})
