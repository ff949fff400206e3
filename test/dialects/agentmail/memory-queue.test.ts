/** Tests the queue for the memory of responses: who gets it next, who gets none, and who is disconnected for it. */
import { expect, test } from 'vitest'
import { type LimitOverrides, withLimits } from '../../../src/config/limits.ts'
import { createMemoryQueue, type Holder, type MemoryQueue } from '../../../src/edges/http/server/memory/memory-queue.ts'

/** A budget of 100, of which a key may use 50 and a pod 75. */
function open(http: LimitOverrides['http'] = {}): MemoryQueue {
  return createMemoryQueue(withLimits({ http: { responseWaitMs: 60_000, ...http } }), 100)
}

interface TestHolder extends Holder {
  isCutOff: boolean
}

function holder(queue: MemoryQueue, apiKeyId: string, podId = `pod of ${apiKeyId}`): TestHolder {
  const one: TestHolder = {
    apiKeyId,
    tenant: { organizationId: 'all', podId },
    owners: [
      { id: `key ${apiKeyId}`, share: 1 / 2 },
      { id: podId, share: 3 / 4 },
    ],
    bytes: 0,
    progressedAtMs: undefined,
    isCutOff: false,
    cutOff() {
      one.isCutOff = true
      setImmediate(() => queue.resize(one, 0)) // when the connection has closed
    },
  }
  return one
}

/** Reserves at once. */
async function hold(queue: MemoryQueue, bytes: number, apiKeyId: string, podId?: string): Promise<TestHolder> {
  const one = holder(queue, apiKeyId, podId)
  expect(await queue.enter(one, bytes, true)).toBe(false)
  return one
}

/** Enters the queue, and appends the name to the list when the memory is reserved. */
function wait(queue: MemoryQueue, bytes: number, apiKeyId: string, admitted: string[], podId?: string): TestHolder {
  const one = holder(queue, apiKeyId, podId)
  queue.enter(one, bytes, true).then(
    (hasWaited) => admitted.push(hasWaited ? apiKeyId : `${apiKeyId} at once`),
    (error) => admitted.push(`${apiKeyId} ${error.code}`),
  )
  return one
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('memory is given round robin over keys, in the order of the requests of each key', async () => {
  const queue = open()
  const [ann, bob] = [await hold(queue, 50, 'ann'), await hold(queue, 50, 'bob')]
  const admitted: string[] = []
  const waiting = ['cy', 'cy', 'cy', 'dan', 'eve'].map((key) => wait(queue, 50, key, admitted))
  queue.resize(ann, 0)
  queue.resize(bob, 0)
  await turn()
  expect(admitted).toEqual(['cy', 'dan'])
  queue.resize(waiting[3]!, 0)
  await turn()
  expect(admitted).toEqual(['cy', 'dan', 'eve'])
  queue.resize(waiting[0]!, 0)
  await turn()
  expect(admitted).toEqual(['cy', 'dan', 'eve', 'cy'])
  expect(queue.usedBytes()).toBe(100)
})

test('a key or a pod that waits for its own share delays no other', async () => {
  const queue = open()
  const admitted: string[] = []
  await hold(queue, 30, 'ann', 'red')
  wait(queue, 30, 'ann', admitted, 'red')
  await hold(queue, 40, 'bob', 'red')
  wait(queue, 20, 'cy', admitted, 'red')
  await hold(queue, 10, 'dan')
  await turn()
  expect(admitted).toEqual([])
})

test('a large request is not overtaken forever by smaller ones of other keys', async () => {
  const queue = open()
  const admitted: string[] = []
  const [ann, bob] = [await hold(queue, 40, 'ann'), await hold(queue, 30, 'bob')]
  wait(queue, 50, 'cy', admitted)
  wait(queue, 20, 'dan', admitted)
  queue.resize(bob, 15)
  await turn()
  expect(admitted).toEqual([])
  queue.resize(ann, 0)
  await turn()
  expect(admitted).toEqual(['cy', 'dan'])
})

test('something larger than the budget gets memory alone', async () => {
  const queue = open()
  const admitted: string[] = []
  const ann = await hold(queue, 10, 'ann')
  wait(queue, 1_000, 'bob', admitted)
  await turn()
  expect(admitted).toEqual([])
  queue.resize(ann, 0)
  await turn()
  expect(admitted).toEqual(['bob'])
  expect(queue.usedBytes()).toBe(1_000)
})

test('the queue is limited in length, per key and in time; a request that leaves it gets nothing', async () => {
  const queue = open({ responsesWaitingMax: 3, responsesWaitingPerKeyMax: 2, responseWaitMs: 50 })
  await hold(queue, 200, 'ann')
  const admitted: string[] = []
  const [first] = ['bob', 'bob', 'bob', 'cy', 'dan'].map((key) => wait(queue, 50, key, admitted))
  await turn()
  expect(admitted).toEqual(['bob too_many_responses', 'dan too_many_responses'])
  queue.leave(first!)
  await turn()
  expect(admitted.length).toBe(3)
  await expect.poll(() => admitted.length).toBe(5)
  expect(new Set(admitted)).toEqual(new Set(['bob', 'cy', 'dan'].map((key) => `${key} too_many_responses`)))
})

test('the requests of one pod leave waiting places for other pods, and what fits needs no place', async () => {
  const queue = open({ responsesWaitingMax: 16 })
  const admitted: string[] = []
  await hold(queue, 45, 'ann', 'red')
  for (const key of ['bob', 'cy', 'dan', 'eve']) for (let i = 0; i < 5; i += 1) wait(queue, 40, key, admitted, 'red')
  await turn()
  expect(queue.waitingCount()).toBe(7)
  expect(new Set(admitted)).toEqual(new Set(['cy', 'dan', 'eve'].map((key) => `${key} too_many_responses`)))
  admitted.length = 0
  const fits = await hold(queue, 30, 'eve', 'red') // of the pod that has no more places
  queue.resize(fits, 0)
  wait(queue, 60, 'fay', admitted, 'blue')
  await turn()
  expect([queue.waitingCount(), admitted]).toEqual([8, []])
})

test('while others wait, the client that has read nothing for longest is disconnected first, and none that still reads', async () => {
  const queue = open({ responseStallBusyMs: 50 })
  const now = performance.now()
  const [slow, slowest, reading, rendering] = [
    await hold(queue, 30, 'slow'),
    await hold(queue, 30, 'slowest'),
    await hold(queue, 30, 'reading'),
    await hold(queue, 10, 'rendering'),
  ]
  slow.progressedAtMs = now - 100
  slowest.progressedAtMs = now - 200
  reading.progressedAtMs = now + 60_000
  const admitted: string[] = []
  wait(queue, 30, 'ann', admitted)
  await turn()
  expect([admitted, slowest.isCutOff, slow.isCutOff]).toEqual([['ann at once'], true, false])
  slow.progressedAtMs = performance.now() // it has read something, and has more time
  wait(queue, 30, 'bob', admitted)
  expect(slow.isCutOff).toBe(false)
  await expect.poll(() => admitted).toEqual(['ann at once', 'bob'])
  expect([slow.isCutOff, reading.isCutOff, rendering.isCutOff]).toEqual([true, false, false])
})

test('no client is disconnected for a request of the same key, or for one that it does not delay', async () => {
  const queue = open({ responseStallBusyMs: 50, responseWaitMs: 150 })
  const holders = [
    await hold(queue, 10, 'other', 'blue'),
    await hold(queue, 10, 'bob', 'red'),
    await hold(queue, 40, 'ann', 'red'),
  ]
  for (const each of holders) each.progressedAtMs = performance.now() - 1_000
  const admitted: string[] = []
  wait(queue, 20, 'ann', admitted, 'red') // for the share of its key
  await expect.poll(() => admitted).toEqual(['ann too_many_responses'])
  expect(holders.map(({ isCutOff }) => isCutOff)).toEqual([false, false, false])
  wait(queue, 30, 'cy', admitted, 'red') // for the share of its pod
  await turn()
  expect(admitted).toEqual(['ann too_many_responses', 'cy at once'])
  expect(holders.map(({ isCutOff }) => isCutOff)).toEqual([false, true, false])
})

test('a response that begins after others wait has no more time than another', async () => {
  const queue = open({ responseStallBusyMs: 50 })
  const late = await hold(queue, 100, 'late')
  const admitted: string[] = []
  wait(queue, 50, 'ann', admitted)
  queue.resize(late, 110) // rendered, and larger than what was reserved
  late.progressedAtMs = performance.now()
  await expect.poll(() => admitted, { timeout: 5_000 }).toEqual(['ann'])
  expect(late.isCutOff).toBe(true)
})

test('when a request leaves the queue, or has waited too long, those behind it get what is free', async () => {
  const queue = open({ responseWaitMs: 100 })
  const ann = await hold(queue, 50, 'ann')
  const admitted: string[] = []
  const large = wait(queue, 60, 'bob', admitted)
  const small = wait(queue, 10, 'cy', admitted)
  queue.leave(large)
  await turn()
  expect(admitted).toEqual(['bob too_many_responses', 'cy'])
  queue.resize(small, 0)
  wait(queue, 60, 'dan', admitted)
  await new Promise((resolve) => setTimeout(resolve, 20)) // the next one enters later, and would wait longer
  wait(queue, 10, 'eve', admitted)
  await expect.poll(() => admitted.length).toBe(4)
  expect(admitted[2]).toBe('dan too_many_responses')
  expect(admitted[3]).toMatch(/^eve( at once)?$/)
  expect(ann.isCutOff).toBe(false)
})

test('what is rendered already gets memory only if it fits, after as many silent clients are gone as necessary', async () => {
  const queue = open({ responseStallBusyMs: 50 })
  const [one, two, three] = [await hold(queue, 50, 'one'), await hold(queue, 45, 'two'), await hold(queue, 5, 'three')]
  three.progressedAtMs = performance.now() - 1_000
  const large = holder(queue, 'large')
  expect([queue.take(large, 60), three.isCutOff, queue.usedBytes()]).toEqual([false, true, 95])
  one.progressedAtMs = performance.now() - 900
  two.progressedAtMs = performance.now() - 800
  expect([queue.take(large, 60), queue.usedBytes()]).toEqual([true, 60])
  await turn()
  expect([one.isCutOff, two.isCutOff, queue.usedBytes()]).toEqual([true, true, 60])
})

test('a request that may not wait gets memory at once or none', async () => {
  const queue = open({ responseStallBusyMs: 50 })
  const ann = await hold(queue, 80, 'ann')
  const bob = holder(queue, 'bob')
  await expect(queue.enter(bob, 50, false)).rejects.toMatchObject({ code: 'too_many_responses' })
  expect(await queue.enter(bob, 20, false)).toBe(false)
  ann.progressedAtMs = performance.now() - 100
  expect(await queue.enter(holder(queue, 'cy'), 50, false)).toBe(false)
})
