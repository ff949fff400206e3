/** Tests how concurrent work is divided among pods and organizations. */
import { expect, test } from 'vitest'
import { CapacityShares, type Tenant } from '../../src/mail/jobs/capacity-shares.ts'
import { seededRandom } from '../support/seeded-random.ts'

const owner = (podId: string, organizationId = podId) => ({ podId, organizationId })

/** Begins as much work as the pod may, and returns how much that is. */
function fill(shares: CapacityShares, of: Tenant): number {
  const room = shares.capacity(of)
  shares.add(of, room)
  return room
}

test('one organization gets seven eighths, one of its pods half of that, and others what is free', () => {
  const shares = new CapacityShares(200)
  const pods = Array.from({ length: 20 }, (_, index) => fill(shares, owner(`${index}`, 'one')))
  expect(pods.slice(0, 9)).toEqual([88, 44, 22, 11, 5, 3, 1, 1, 0])
  expect(pods.reduce((sum, count) => sum + count)).toBe(175)
  expect(fill(shares, owner('other', 'two'))).toBe(11)
})

test('when an organization has its share, its next place goes to a pod that runs nothing', () => {
  const shares = new CapacityShares(200)
  for (let index = 0; index < 20; index += 1) fill(shares, owner(`${index}`, 'one'))
  shares.add(owner('0', 'one'), -1)
  expect([0, 1, 2].map((index) => shares.capacity(owner(`${index}`, 'one')))).toEqual([0, 0, 0])
  expect(shares.capacity(owner('new', 'one'))).toBe(1)
})

test('pods of different organizations whose work keeps ending get equal shares, and as much is free', () => {
  const shares = new CapacityShares(200)
  const running = new Map(['a', 'b', 'c'].map((pod) => [pod, fill(shares, owner(pod))]))
  expect([...running.values()]).toEqual([88, 49, 28])
  for (let turn = 0; turn < 200; turn += 1) {
    for (const pod of running.keys()) {
      shares.add(owner(pod), -1)
      running.set(pod, running.get(pod)! - 1)
      for (const next of ['a', 'b', 'c']) running.set(next, running.get(next)! + fill(shares, owner(next)))
    }
  }
  for (const count of running.values()) expect(Math.abs(count - 47)).toBeLessThanOrEqual(1)
})

test('an organization without pods counts like one pod', () => {
  const shares = new CapacityShares(8)
  expect(fill(shares, { organizationId: 'one', podId: null })).toBe(4)
})

test('whatever begins and ends: a pod without work gets the first free place, unless its organization has its share', () => {
  const random = seededRandom(7)
  const pick = (count: number) => Math.floor(random() * count)
  for (let run = 0; run < 15; run += 1) {
    const capacity = 1 + pick(30)
    const shares = new CapacityShares(capacity)
    const running: Tenant[] = []
    for (let step = 0; step < 100; step += 1) {
      const one = owner(`${pick(8)}`, `org ${pick(2)}`)
      const room = shares.capacity(one)
      const planned = shares.copy()
      for (let count = 0; count < room; count += 1) {
        expect(planned.capacity(one)).toBeGreaterThan(0) // the same as if each began alone
        planned.add(one, 1)
      }
      expect(planned.capacity(one)).toBe(0)
      if (pick(2) === 0 && room > 0) {
        shares.add(one, 1)
        running.push(one)
      } else if (running.length > 0) shares.add(running.splice(pick(running.length), 1)[0]!, -1)
      expect(running.length).toBeLessThanOrEqual(capacity)
      const free = capacity - running.length
      expect(shares.capacity(owner('new'))).toBe(Math.ceil(Math.ceil((7 * free) / 8) / 2))
    }
  }
})
