/** Tests the concurrency limits for requests: how much of the capacity one receiver can take from the others. */

import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { WebhookLimits } from '../../src/mail/webhooks/delivery/webhook-limits.ts'
import { seededRandom } from '../support/seeded-random.ts'

const limits = withLimits({ webhooks: { concurrencyMax: 8, endpointConcurrencyMax: 3, pauseMsMax: 10_000 } })

/** Each webhook is the only one of its organization, unless a pod is given. */
function owned(webhookId: string, podId = webhookId, organizationId = podId) {
  return { webhookId, podId, organizationId }
}
function enter(webhookLimits: WebhookLimits, id: string, times = 1): void {
  for (let count = 0; count < times; count += 1) webhookLimits.enter(owned(id))
}
function fail(webhookLimits: WebhookLimits, id: string, now: number, startedAt = now): void {
  webhookLimits.leaveAfter(id, { hasSucceeded: false, startedAt, now })
}
function succeed(webhookLimits: WebhookLimits, id: string, now = 0): void {
  webhookLimits.leaveAfter(id, { hasSucceeded: true, startedAt: now, now })
}

test('each webhook has its own limit, and all share a common one', () => {
  const webhookLimits = new WebhookLimits(limits)
  enter(webhookLimits, 'a', 2)
  expect([webhookLimits.capacity(owned('a'), 0), webhookLimits.capacity(owned('b'), 0)]).toEqual([1, 3])
  enter(webhookLimits, 'a')
  enter(webhookLimits, 'b', 3)
  enter(webhookLimits, 'c')
  expect([
    webhookLimits.capacity(owned('a'), 0),
    webhookLimits.capacity(owned('b'), 0),
    webhookLimits.capacity(owned('c'), 0),
    webhookLimits.capacity(owned('d'), 0),
  ]).toEqual([0, 0, 0, 1])
  succeed(webhookLimits, 'a')
  webhookLimits.leave('b')
  expect([
    webhookLimits.capacity(owned('a'), 0),
    webhookLimits.capacity(owned('b'), 0),
    webhookLimits.capacity(owned('d'), 0),
  ]).toEqual([1, 1, 2])
})

test('a failing webhook gets one request at a time until it succeeds', () => {
  const webhookLimits = new WebhookLimits(limits)
  enter(webhookLimits, 'a', 3)
  fail(webhookLimits, 'a', 1)
  expect(webhookLimits.capacity(owned('a'), 1)).toBe(0)
  fail(webhookLimits, 'a', 1, 0)
  fail(webhookLimits, 'a', 1, 0)
  expect(webhookLimits.capacity(owned('a'), 1)).toBe(1)
  enter(webhookLimits, 'a')
  expect(webhookLimits.capacity(owned('a'), 1)).toBe(0)
  succeed(webhookLimits, 'a', 2)
  expect(webhookLimits.capacity(owned('a'), 2)).toBe(3)
})

// One failure made it serial until the next success, and a few paused it: it never caught up.
test('a webhook that fails half of the time has at least half of the requests of a healthy one', () => {
  const random = seededRandom(8)
  const endpointConcurrencyMax = 10
  const webhookLimits = new WebhookLimits(withLimits({ webhooks: { endpointConcurrencyMax } }))
  const startTimes: number[] = []
  let sum = 0
  const polls = 5_000
  for (let poll = 1; poll <= polls; poll += 1) {
    const now = poll * 20
    const capacity = webhookLimits.capacity(owned('a'), now)
    enter(webhookLimits, 'a', capacity)
    startTimes.push(...Array<number>(capacity).fill(now))
    sum += startTimes.length
    // Several requests end between two polls.
    for (const startedAt of startTimes.splice(0, Math.ceil(random() * 4))) {
      webhookLimits.leaveAfter('a', { hasSucceeded: random() < 0.5, startedAt, now })
    }
  }
  expect(sum / polls).toBeGreaterThan(endpointConcurrencyMax / 2)
})

test('failing webhooks share half of the common limit, however many they are', () => {
  const webhookLimits = new WebhookLimits(limits)
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
    enter(webhookLimits, id)
    fail(webhookLimits, id, 1)
  }
  for (const id of ['a', 'b', 'c', 'd']) enter(webhookLimits, id)
  expect([
    webhookLimits.capacity(owned('e'), 1),
    webhookLimits.capacity(owned('f'), 1),
    webhookLimits.capacity(owned('healthy'), 1),
  ]).toEqual([0, 0, 2])
  succeed(webhookLimits, 'a', 1)
  expect(webhookLimits.capacity(owned('e'), 1)).toBe(1)
  webhookLimits.leave('b')
  expect(webhookLimits.capacity(owned('e'), 1)).toBe(1)
})

test('requests that already run when a webhook starts to fail count towards that half, until it recovers', () => {
  const webhookLimits = new WebhookLimits(withLimits(limits, { webhooks: { endpointConcurrencyMax: 5 } }))
  enter(webhookLimits, 'a', 5)
  fail(webhookLimits, 'a', 1)
  enter(webhookLimits, 'b')
  fail(webhookLimits, 'b', 1)
  expect(webhookLimits.capacity(owned('b'), 1)).toBe(0)
  succeed(webhookLimits, 'a', 1)
  expect(webhookLimits.capacity(owned('b'), 1)).toBe(1)
})

test('the pause grows with each failed round, and simultaneous requests count as one round', () => {
  const webhookLimits = new WebhookLimits(limits)
  const rests: number[] = []
  let now = 1_000_000
  for (let round = 0; round < 8; round += 1) {
    enter(webhookLimits, 'a')
    fail(webhookLimits, 'a', now)
    rests.push(Math.max(0, webhookLimits.pausedUntil('a') - now))
    now += 20_000
  }
  expect(rests).toEqual([0, 0, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
  enter(webhookLimits, 'a')
  fail(webhookLimits, 'a', now, now - 30_000) // started before the last failure was known
  expect(webhookLimits.pausedUntil('a')).toBeLessThan(now)

  enter(webhookLimits, 'a')
  fail(webhookLimits, 'a', now)
  expect([webhookLimits.capacity(owned('a'), now), webhookLimits.capacity(owned('a'), now + 10_000)]).toEqual([0, 1])
  enter(webhookLimits, 'a')
  succeed(webhookLimits, 'a', now)
  expect(webhookLimits.pausedUntil('a')).toBe(0)
})

test('a webhook without work is forgotten', () => {
  const webhookLimits = new WebhookLimits(limits)
  for (const id of ['gone', 'waits', 'runs']) {
    enter(webhookLimits, id)
    fail(webhookLimits, id, 1)
  }
  enter(webhookLimits, 'runs')
  webhookLimits.forgetExcept(new Set(['waits']))
  expect([
    webhookLimits.capacity(owned('gone'), 1),
    webhookLimits.capacity(owned('waits'), 1),
    webhookLimits.capacity(owned('runs'), 1),
  ]).toEqual([3, 1, 0])
})
