/** Tests what each response of a receiver means for its delivery. */

import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { agentMailWebhooks } from '../../src/edges/http/dialects/agentmail/webhook-renderer.ts'
import { outcomeOf } from '../../src/mail/webhooks/delivery/webhook-retry.ts'

const HOUR = 3_600_000
const now = Date.UTC(2026, 0, 1)
const limits = withLimits({ webhooks: { retryAfterMsMax: 24 * HOUR } })
const { retryAfterMs } = agentMailWebhooks({
  eventSubjects: undefined!,
  limits: withLimits({ webhooks: { timeoutMs: 15_000, bodyBytesMax: 1 } }),
})

function after(status: number | undefined, headers: Record<string, string> = {}, attempts = 1, spread = 0) {
  const response = status === undefined ? undefined : { status, headers }
  return outcomeOf({ response, attempts, retryAfterMs: [5_000, 300_000], spread, now }, limits)
}

test.each([200, 201, 202, 204, 299])('%i is success', (status) => {
  expect(after(status)).toEqual({ kind: 'delivered' })
})

test.each([undefined, 100, 199, 300, 301, 302, 307, 308, 400, 401, 404, 409, 429, 500, 503])(
  'status %s is retried',
  (status) => {
    expect(after(status)).toEqual({ kind: 'retry', afterMs: 5_000 })
    expect(after(status, {}, 2)).toEqual({ kind: 'retry', afterMs: 300_000 })
    expect(after(status, {}, 3)).toEqual({ kind: 'failed' })
  },
)

test('410 ends all deliveries, whatever the headers say', () => {
  expect(after(410, { 'webhook-delivery': 'abort-message' })).toEqual({ kind: 'gone' })
})

test('a receiver can end the retries of a delivery', () => {
  expect(after(500, { 'webhook-delivery': 'abort-message' })).toEqual({ kind: 'failed' })
  expect(after(500, { 'webhook-delivery': 'something else' })).toMatchObject({ kind: 'retry' })
  expect(after(200, { 'webhook-delivery': 'abort-message' })).toEqual({ kind: 'delivered' })
})

test.each([
  [503, '60', 60_000],
  [429, '60', 60_000],
  [429, '2', 5_000], // never earlier than the schedule
  [429, '0', 5_000],
  [429, new Date(now + 90_000).toUTCString(), 90_000],
  [429, new Date(now - 90_000).toUTCString(), 5_000],
  [503, '99999999', 24 * HOUR],
  [503, new Date(now + 999 * HOUR).toUTCString(), 24 * HOUR],
  [503, '1e9', 5_000],
  [503, '-5', 5_000],
  [503, 'soon', 5_000],
  [500, '60', 5_000], // only 429 and 503 use Retry-After
  [301, '60', 5_000],
])('%i with Retry-After %s waits %i ms', (status, value, afterMs) => {
  expect(after(status, { 'retry-after': value })).toEqual({ kind: 'retry', afterMs })
})

test('deliveries that fail together are retried at different times, and never too early', () => {
  expect(after(500, {}, 1, 1)).toEqual({ kind: 'retry', afterMs: 5_500 })
  expect(after(500, {}, 1, 0.5)).toEqual({ kind: 'retry', afterMs: 5_250 })
})

test('the schedule of AgentMail begins as documented, and lasts three days', () => {
  const minutes = retryAfterMs.map((ms) => ms / 60_000)
  expect(minutes.slice(0, 6)).toEqual([5 / 60, 5, 30, 120, 300, 600])
  expect(retryAfterMs.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThanOrEqual(72 * HOUR)
  expect(retryAfterMs).toEqual(retryAfterMs.toSorted((a, b) => a - b))
})
