/** Tests in which order pieces of work run, such as the parsing of large messages: peers take turns, and the queue is bounded. */

import { describe, expect, onTestFinished, test } from 'vitest'
import { MailError } from '../../src/errors.ts'
import { createTurnQueue } from '../../src/mail/jobs/turn-queue.ts'

const OPTIONS = { waitingMax: 100, waitingPerKeyMax: 10, waitMs: 60_000 }
const PAUSE_MS = 60_000
const REFUSED = { code: 'parse_queue_full' }

/** Opens a queue in which the test decides when a message has been parsed. */
function openQueue(options: Partial<Parameters<typeof createTurnQueue>[0]> = {}) {
  const queue = createTurnQueue({ ...OPTIONS, ...options, full: () => new MailError('parse_queue_full', {}) })
  const begun: string[] = []
  const gates = new Map<string, () => void>()
  onTestFinished(async () => {
    const stopped = queue.stop()
    for (const open of gates.values()) open()
    await stopped
  })
  return {
    queue,
    /** Messages in the order in which their parsing began. */
    begun,
    /** Adds a message to the queue; "a1" is from peer "a", "ax1" from its part "x". */
    add(mail: string): Promise<string> {
      const turn = { fairnessKey: mail[0]!, fairnessPart: /[x-z]/.exec(mail)?.[0] }
      const parsed = queue.run(turn, () => {
        begun.push(mail)
        return new Promise<string>((resolve) => gates.set(mail, () => resolve(mail)))
      })
      parsed.catch(() => undefined) // refused at the end of the test
      return parsed
    },
    /** Ends the parsing of this message, and waits until the next one has begun. */
    async end(mail: string): Promise<void> {
      const count = begun.length
      gates.get(mail)!()
      await expect.poll(() => begun.length, { interval: 1 }).toBeGreaterThan(count)
    },
    finish: (mail: string) => gates.get(mail)!(),
  }
}

test('one message is parsed at a time, and peers take turns', async () => {
  const { begun, add, end, finish } = openQueue()
  const all = ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'].map(add)
  expect(begun).toEqual(['a1'])
  for (const mail of ['a1', 'b1', 'c1', 'a2', 'b2']) await end(mail)
  finish('a3')
  expect(await Promise.all(all)).toEqual(['a1', 'a2', 'a3', 'b1', 'c1', 'b2'])
  expect(begun).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
})

test('a new peer is next after the message that is being parsed', async () => {
  const { begun, add, end } = openQueue()
  for (const mail of ['a1', 'a2', 'a3']) void add(mail)
  await end('a1')
  void add('b1')
  await end('a2')
  expect(begun).toEqual(['a1', 'a2', 'b1'])
})

test('if several may be parsed at once, a peer of which none is parsed is next', async () => {
  const { begun, add, end } = openQueue({ runningMax: 2 })
  for (const mail of ['a1', 'a2', 'a3', 'b1']) void add(mail)
  expect(begun).toEqual(['a1', 'a2'])
  await end('a1')
  expect(begun).toEqual(['a1', 'a2', 'b1'])
})

test('the number that is parsed at once can be limited for each peer', async () => {
  const { begun, add, end } = openQueue({ runningMax: 5, runningPerKeyMax: 1 })
  for (const mail of ['a1', 'a2', 'b1', 'b2']) void add(mail)
  expect(begun).toEqual(['a1', 'b1'])
  await end('b1')
  expect(begun).toEqual(['a1', 'b1', 'b2'])
})

test('who leaves does not wait any longer', async () => {
  const { queue, begun, add, end } = openQueue({ waitingPerKeyMax: 1 })
  const leaving = new AbortController()
  void add('a1')
  const waiting = queue.run({ fairnessKey: 'a' }, async () => begun.push('a2'), leaving.signal)
  leaving.abort()
  await expect(waiting).rejects.toThrow('aborted')
  void add('a3')
  await end('a1')
  expect(begun).toEqual(['a1', 'a3'])
  await expect(queue.run({ fairnessKey: 'a' }, async () => undefined, leaving.signal)).rejects.toThrow('aborted')
})

test('the parts of a peer take turns within its turns', async () => {
  const { begun, add, end } = openQueue()
  for (const mail of ['ax1', 'ax2', 'ax3', 'ay1', 'b1', 'b2', 'ay2', 'az1']) void add(mail)
  for (const mail of ['ax1', 'b1', 'ax2', 'b2', 'ay1', 'az1', 'ax3']) await end(mail)
  expect(begun).toEqual(['ax1', 'b1', 'ax2', 'b2', 'ay1', 'az1', 'ax3', 'ay2'])
})

test('an error rejects only the call of its own message, and the next message begins', async () => {
  const { queue, begun, add } = openQueue()
  const failing = queue.run({ fairnessKey: 'a' }, async () => {
    throw new Error('no such blob')
  })
  void add('b1')
  await expect(failing).rejects.toThrow('no such blob')
  await expect.poll(() => begun).toEqual(['b1'])
})

describe('the number of waiting messages is limited', () => {
  test('for each peer', async () => {
    const { add } = openQueue({ waitingPerKeyMax: 2 })
    for (const mail of ['a1', 'a2', 'a3']) void add(mail) // one of them is being parsed
    await expect(add('a4')).rejects.toMatchObject(REFUSED)
    void add('b1')
    await expect(add('a5')).rejects.toMatchObject(REFUSED)
  })

  test('for each peer: the newest message of the part with the most is refused in favor of a part with fewer', async () => {
    const { add } = openQueue({ waitingPerKeyMax: 2 })
    for (const mail of ['ax1', 'ax2']) void add(mail)
    const newest = add('ax3')
    void add('ay1')
    await expect(newest).rejects.toMatchObject(REFUSED)
    await expect(add('az1')).rejects.toMatchObject(REFUSED)
  })

  test('in total: the newest message of the peer with the most is refused in favor of a peer with fewer', async () => {
    const { begun, add, end } = openQueue({ waitingMax: 3 })
    for (const mail of ['a1', 'a2', 'a3']) void add(mail)
    const newest = add('a4')
    void add('b1')
    await expect(newest).rejects.toMatchObject(REFUSED)
    await expect(add('b2')).rejects.toMatchObject(REFUSED) // "a" has only one message more
    for (const mail of ['a1', 'b1', 'a2']) await end(mail)
    expect(begun).toEqual(['a1', 'b1', 'a2', 'a3'])
  })

  test('by the time that they wait', async () => {
    const { queue, begun, add, end } = openQueue({ waitMs: 20 })
    void add('a1')
    await expect(add('a2')).rejects.toMatchObject(REFUSED)
    void queue.run({ fairnessKey: 'a' }, async () => begun.push('a3'))
    await end('a1')
    expect(begun).toEqual(['a1', 'a3'])
  })
})

describe('a peer whose message was parsed in part', () => {
  test('waits while others are parsed', async () => {
    const { queue, begun, add, end } = openQueue()
    void add('a1')
    void add('a2')
    queue.pauseKey('a', PAUSE_MS)
    void add('b1')
    await end('a1')
    void add('b2')
    await end('b1')
    expect(begun).toEqual(['a1', 'b1', 'b2'])
  })

  test('gets its turn after the pause, even if nothing else is added', async () => {
    const { queue, begun, add } = openQueue()
    queue.pauseKey('a', 30)
    void add('a1')
    expect(begun).toEqual([])
    await expect.poll(() => begun).toEqual(['a1'])
  })
})

test('a stop refuses waiting messages and waits for the one that is being parsed', async () => {
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
