/** Concurrency limits for requests: how much one receiver can take away from the others. */
import { expect, test } from 'vitest'
import { Lanes } from '../../src/mail/webhooks/delivery/webhook-limits.ts'

const limits = { webhookConcurrencyMax: 8, webhookEndpointConcurrencyMax: 3, webhookRestMaxMs: 10_000 }

function enter(lanes: Lanes, id: string, times = 1): void {
  for (let count = 0; count < times; count += 1) lanes.enter(id)
}
function fail(lanes: Lanes, id: string, now: number, startedAt = now): void {
  lanes.leaveAfter(id, { hasSucceeded: false, startedAt, now })
}
function succeed(lanes: Lanes, id: string, now = 0): void {
  lanes.leaveAfter(id, { hasSucceeded: true, startedAt: now, now })
}

test('each webhook has its own limit, and all share a common one', () => {
  const lanes = new Lanes(limits)
  enter(lanes, 'a', 2)
  expect([lanes.room('a', 0), lanes.room('b', 0)]).toEqual([1, 3])
  enter(lanes, 'a')
  enter(lanes, 'b', 3)
  enter(lanes, 'c')
  expect([lanes.room('a', 0), lanes.room('b', 0), lanes.room('c', 0), lanes.room('d', 0)]).toEqual([0, 0, 1, 1])
  succeed(lanes, 'a')
  lanes.leave('b')
  expect([lanes.room('a', 0), lanes.room('b', 0), lanes.room('d', 0)]).toEqual([1, 1, 3])
})

test('a failing webhook gets one request at a time until it succeeds', () => {
  const lanes = new Lanes(limits)
  enter(lanes, 'a', 3)
  fail(lanes, 'a', 1)
  expect(lanes.room('a', 1)).toBe(0)
  fail(lanes, 'a', 1, 0)
  fail(lanes, 'a', 1, 0)
  expect(lanes.room('a', 1)).toBe(1)
  enter(lanes, 'a')
  expect(lanes.room('a', 1)).toBe(0)
  succeed(lanes, 'a', 2)
  expect(lanes.room('a', 2)).toBe(3)
})

test('failing webhooks share half of the common limit, however many they are', () => {
  const lanes = new Lanes(limits)
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
    enter(lanes, id)
    fail(lanes, id, 1)
  }
  for (const id of ['a', 'b', 'c', 'd']) enter(lanes, id)
  expect([lanes.room('e', 1), lanes.room('f', 1), lanes.room('healthy', 1)]).toEqual([0, 0, 3])
  succeed(lanes, 'a', 1)
  expect(lanes.room('e', 1)).toBe(1)
  lanes.leave('b')
  expect(lanes.room('e', 1)).toBe(1)
})

test('requests that already run when a webhook starts to fail count towards that half, until it recovers', () => {
  const lanes = new Lanes({ ...limits, webhookEndpointConcurrencyMax: 5 })
  enter(lanes, 'a', 5)
  fail(lanes, 'a', 1)
  enter(lanes, 'b')
  fail(lanes, 'b', 1)
  expect(lanes.room('b', 1)).toBe(0)
  succeed(lanes, 'a', 1)
  expect(lanes.room('b', 1)).toBe(1)
})

test('the pause grows with each failed round, and simultaneous requests count as one round', () => {
  const lanes = new Lanes(limits)
  const rests: number[] = []
  let now = 1_000_000
  for (let round = 0; round < 8; round += 1) {
    enter(lanes, 'a')
    fail(lanes, 'a', now)
    rests.push(Math.max(0, lanes.restsUntil('a') - now))
    now += 20_000
  }
  expect(rests).toEqual([0, 0, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
  enter(lanes, 'a')
  fail(lanes, 'a', now, now - 30_000) // started before the last failure was known
  expect(lanes.restsUntil('a')).toBeLessThan(now)

  enter(lanes, 'a')
  fail(lanes, 'a', now)
  expect([lanes.room('a', now), lanes.room('a', now + 10_000)]).toEqual([0, 1])
  enter(lanes, 'a')
  succeed(lanes, 'a', now)
  expect(lanes.restsUntil('a')).toBe(0)
})

test('a webhook without work is forgotten', () => {
  const lanes = new Lanes(limits)
  for (const id of ['gone', 'waits', 'runs']) {
    enter(lanes, id)
    fail(lanes, id, 1)
  }
  enter(lanes, 'runs')
  lanes.keepOnly(new Set(['waits']))
  expect([lanes.room('gone', 1), lanes.room('waits', 1), lanes.room('runs', 1)]).toEqual([3, 1, 0])
})
