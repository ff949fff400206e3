/** Tests the loop that all background work shares. Each poll is a promise that the test settles. */
import { afterEach, expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createPollLoop, type PollLoop } from '../../src/store/commit/poll-loop.ts'

const NEVER_MS = 60_000

let loop: PollLoop | undefined
afterEach(() => loop?.stop())

/** Polls that have begun, in order. */
class Polls {
  readonly #begun: { resolve: (waitMs?: number) => void; reject: (error: Error) => void }[] = []
  #wake: (() => void) | undefined
  running = 0

  readonly poll = async () => {
    this.running += 1
    try {
      return await new Promise<number | undefined>((resolve, reject) => {
        this.#begun.push({ resolve, reject })
        this.#wake?.()
      })
    } finally {
      this.running -= 1
    }
  }

  async next() {
    while (this.#begun.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.#begun.shift()!
  }

  get count(): number {
    return this.#begun.length
  }
}

function startLoop(poll: () => Promise<number | undefined>, { pollMs = NEVER_MS, pauseMs = NEVER_MS } = {}) {
  const limits = withLimits({ store: { pollPauseMsMax: NEVER_MS } })
  loop = createPollLoop({
    name: 'test',
    poll,
    pollMs,
    pauseMs,
    limits,
    log: createLog('silent'),
    metrics: createMetrics(),
  })
  loop.pollSoon()
  return loop
}

test('signals during a poll cause one more poll, which does not overlap it', async () => {
  const polls = new Polls()
  const loop = startLoop(polls.poll)
  const first = await polls.next()
  loop.pollSoon()
  loop.pollSoon()
  expect(polls.running).toBe(1)
  first.resolve()
  const second = await polls.next()
  expect(polls.running).toBe(1)
  second.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  expect(polls).toMatchObject({ running: 0, count: 0 })
  expect(loop.isPolling).toBe(false)
})

// It polled within itself until the stack was full.
test('a poll that asks for another one before it waits does not overlap it', async () => {
  let running = 0
  let most = 0
  let count = 0
  await new Promise<void>((resolve) => {
    startLoop(async () => {
      running += 1
      most = Math.max(most, running)
      count += 1
      if (count < 5) loop!.pollSoon()
      await null
      running -= 1
      if (running === 0 && count === 5) resolve()
      return undefined
    })
  })
  expect({ most, count }).toEqual({ most: 1, count: 5 })
})

test('it polls again at the time that the last poll returned, and after the interval if it returned none', async () => {
  const polls = new Polls()
  startLoop(polls.poll, { pollMs: 5 })
  ;(await polls.next()).resolve(1)
  ;(await polls.next()).resolve(0)
  ;(await polls.next()).resolve(undefined)
  ;(await polls.next()).resolve(NEVER_MS)
})

test('after a failure, signals wait for the end of the pause, and cause one poll then', async () => {
  const polls = new Polls()
  const loop = startLoop(polls.poll, { pauseMs: 50 })
  const failedAt = performance.now()
  ;(await polls.next()).reject(new Error('planted'))
  await new Promise((resolve) => setImmediate(resolve))
  for (let count = 0; count < 10; count += 1) loop.pollSoon()
  const next = await polls.next()
  expect(performance.now() - failedAt).toBeGreaterThanOrEqual(49)
  next.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  expect(polls.count).toBe(0)
})

// It never polled again.
test('a loop without a pause polls again after a failure', async () => {
  const polls = new Polls()
  startLoop(polls.poll, { pauseMs: 0 })
  ;(await polls.next()).reject(new Error('planted'))
  ;(await polls.next()).resolve()
})

test('stop waits for the running poll, and none begins after it', async () => {
  const polls = new Polls()
  const loop = startLoop(polls.poll)
  const running = await polls.next()
  loop.pollSoon()
  let hasStopped = false
  const stopped = loop.stop().then(() => (hasStopped = true))
  await new Promise((resolve) => setImmediate(resolve))
  expect(hasStopped).toBe(false)
  running.resolve(0)
  await stopped
  loop.pollSoon()
  await new Promise((resolve) => setImmediate(resolve))
  expect(polls.count).toBe(0)
})

test('stop during the pause after a failure ends the loop', async () => {
  const polls = new Polls()
  const loop = startLoop(polls.poll, { pauseMs: 1 })
  ;(await polls.next()).reject(new Error('planted'))
  await loop.stop()
  loop.pollSoon()
  await new Promise((resolve) => setTimeout(resolve, 5)) // longer than the pause
  expect(polls.count).toBe(0)
})
