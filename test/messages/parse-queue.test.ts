/** Whose large mail is parsed next: peers take turns, and what waits is bounded. */

import { describe, expect, onTestFinished, test } from 'vitest'
import { type LimitOverrides, withLimits } from '../../src/config/limits.ts'
import { createParseQueue } from '../../src/mail/messages/content/parse-queue.ts'

const LIMITS = { parsing: { waitingMax: 100, waitingPerPeerMax: 10, waitMs: 60_000, penaltyMs: 60_000 } }
const REFUSED = { code: 'parse_queue_full' }

/** A queue whose mails are parsed when the test says so. */
function openQueue(limits: LimitOverrides = {}) {
  const queue = createParseQueue(withLimits(LIMITS, limits))
  const begun: string[] = []
  const gates = new Map<string, () => void>()
  onTestFinished(async () => {
    const stopped = queue.stop()
    for (const open of gates.values()) open()
    await stopped
  })
  return {
    queue,
    /** Mails in the order in which their parsing began. */
    begun,
    /** Puts a mail into the queue; "a1" is one of peer "a". */
    add(mail: string): Promise<string> {
      const parsed = queue.run(mail[0]!, () => {
        begun.push(mail)
        return new Promise<string>((resolve) => gates.set(mail, () => resolve(mail)))
      })
      parsed.catch(() => undefined) // refused at the end of the test
      return parsed
    },
    /** Lets the mail that is being parsed end, and waits until the next one has begun. */
    async end(mail: string): Promise<void> {
      const count = begun.length
      gates.get(mail)!()
      await expect.poll(() => begun.length, { interval: 1 }).toBeGreaterThan(count)
    },
    finish: (mail: string) => gates.get(mail)!(),
  }
}

test('one mail is parsed at a time, and peers take turns', async () => {
  const { begun, add, end, finish } = openQueue()
  const all = ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'].map(add)
  expect(begun).toEqual(['a1'])
  for (const mail of ['a1', 'b1', 'c1', 'a2', 'b2']) await end(mail)
  finish('a3')
  expect(await Promise.all(all)).toEqual(['a1', 'a2', 'a3', 'b1', 'c1', 'b2'])
  expect(begun).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
})

test('a peer that comes while another is parsed is next', async () => {
  const { begun, add, end } = openQueue()
  for (const mail of ['a1', 'a2', 'a3']) void add(mail)
  await end('a1')
  void add('b1')
  await end('a2')
  expect(begun).toEqual(['a1', 'a2', 'b1'])
})

test('a mail that fails is its own caller’s; the next one begins', async () => {
  const { queue, begun, add } = openQueue()
  const failing = queue.run('a', async () => {
    throw new Error('no such blob')
  })
  void add('b1')
  await expect(failing).rejects.toThrow('no such blob')
  await expect.poll(() => begun).toEqual(['b1'])
})

describe('what waits is bounded', () => {
  test('for each peer', async () => {
    const { add } = openQueue({ parsing: { waitingPerPeerMax: 2 } })
    for (const mail of ['a1', 'a2', 'a3']) void add(mail) // one of them is being parsed
    await expect(add('a4')).rejects.toMatchObject(REFUSED)
    void add('b1')
    await expect(add('a5')).rejects.toMatchObject(REFUSED)
  })

  test('in all: a peer with less takes the place of the newest of the peer that has most', async () => {
    const { begun, add, end } = openQueue({ parsing: { waitingMax: 3 } })
    for (const mail of ['a1', 'a2', 'a3']) void add(mail)
    const newest = add('a4')
    void add('b1')
    await expect(newest).rejects.toMatchObject(REFUSED)
    await expect(add('b2')).rejects.toMatchObject(REFUSED) // a has only one more
    for (const mail of ['a1', 'b1', 'a2']) await end(mail)
    expect(begun).toEqual(['a1', 'b1', 'a2', 'a3'])
  })

  test('in time', async () => {
    const { queue, begun, add, end } = openQueue({ parsing: { waitMs: 20 } })
    void add('a1')
    await expect(add('a2')).rejects.toMatchObject(REFUSED)
    void queue.run('a', async () => begun.push('a3'))
    await end('a1')
    expect(begun).toEqual(['a1', 'a3'])
  })
})

describe('a peer whose message was parsed in part', () => {
  test('waits while others are parsed', async () => {
    const { queue, begun, add, end } = openQueue()
    void add('a1')
    void add('a2')
    queue.penalise('a')
    void add('b1')
    await end('a1')
    void add('b2')
    await end('b1')
    expect(begun).toEqual(['a1', 'b1', 'b2'])
  })

  test('has its turn after the pause, though nothing else happens', async () => {
    const { queue, begun, add } = openQueue({ parsing: { penaltyMs: 30 } })
    queue.penalise('a')
    void add('a1')
    expect(begun).toEqual([])
    await expect.poll(() => begun).toEqual(['a1'])
  })
})

test('a stop refuses what waits and waits for what is parsed', async () => {
  const { queue, add, finish } = openQueue()
  const running = add('a1')
  const waiting = add('a2')
  const stopped = queue.stop()
  await expect(waiting).rejects.toMatchObject({ code: 'shutting_down' })
  await expect(add('b1')).rejects.toMatchObject({ code: 'shutting_down' })
  finish('a1')
  expect(await running).toBe('a1')
  await stopped
})
