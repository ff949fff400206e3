/** The order in which messages from other servers are received, and what counts as overload. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createReceiveQueue } from '../../src/mail/receiving/receive-queue.ts'

function startQueue() {
  let nowMs = 0
  const order: string[] = []
  const limits = withLimits({ receiving: { underWayMax: 1, waitMs: 500 } })
  const queue = createReceiveQueue({ workQueue: { begin: (act) => act() }, limits, clock: () => nowMs })
  const enter = async (network: string) => {
    const leave = await queue.enter(network)
    order.push(network)
    return leave
  }
  const advance = (ms: number) => {
    nowMs += ms
  }
  return { queue, enter, order, advance }
}

test('networks take turns, so one that sends much delays another by one message', async () => {
  const { enter, order } = startQueue()
  const messages = ['a', 'a', 'a', 'b', 'b', 'c'].map(enter)
  await Promise.all(messages.map((message) => message.then((leave) => leave())))
  expect(order).toEqual(['a', 'a', 'b', 'c', 'a', 'b'])
})

test('many messages of one network are no overload for the others; many networks are', async () => {
  const { queue, enter, advance } = startQueue()
  const leaveFirst = await enter('a')
  const second = enter('a')
  void enter('a')
  expect(queue.isOverloaded()).toBe(false)
  advance(501)
  expect(queue.isOverloaded()).toBe(true)
  leaveFirst()
  const leaveSecond = await second
  expect(queue.isOverloaded()).toBe(false) // the third has waited as long, but a newcomer would be next after it
  const b = enter('b')
  leaveSecond()
  advance(501)
  expect(queue.isOverloaded()).toBe(true)
  void b
})
