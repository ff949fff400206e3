/**
 * The messages from other servers that have arrived and wait to be parsed and filed: round robin over networks, with at
 * most `limits.receiving.underWayMax` of them under way. Called by receiving.ts.
 *
 * A message waits here for our CPU or our disk, never for its peer. So the time that it waits shows whether the server
 * is overloaded. It then refuses new connections with 421, because each of them would make all others wait longer.
 *
 * It is bounded by `limits.smtp.connectionsMax`: a connection has one message at a time.
 *
 * Crash: a message in the queue has no reply yet, so its sender keeps it.
 */
import { strict as assert } from 'node:assert'
import type { Limits } from '../../config/limits.ts'
import type { WorkQueue } from '../../event-loop.ts'

export interface ReceiveQueue {
  /**
   * Waits until it is the turn of a message of this network.
   *
   * @returns a function to call once, when the message has its reply; without a promise if it is its turn already
   */
  enter(network: string): (() => void) | Promise<() => void>
  /** Whether a message of a network that has none in the queue would now wait longer than `limits.receiving.waitMs`. */
  isOverloaded(): boolean
}

interface ReceiveQueueNeeds {
  readonly workQueue: Pick<WorkQueue, 'begin'>
  readonly limits: Limits
  /** Milliseconds of a monotonic clock. */
  readonly clock: () => number
}

interface Network {
  /** When it began to wait for its next message to be served. */
  readonly sinceMs: number
  readonly begins: (() => void)[]
}

export function createReceiveQueue({ workQueue, limits, clock }: ReceiveQueueNeeds): ReceiveQueue {
  /** In the order in which they are served, each with at least one message. */
  const networks = new Map<string, Network>()
  let waiting = 0
  /** How many of those that wait the work queue will begin. */
  let beginning = 0
  let underWay = 0

  return {
    enter(name) {
      let hasBegun = false
      let resume: (() => void) | undefined
      const begin = () => {
        hasBegun = true
        resume?.()
      }
      const network = networks.get(name)
      if (network) network.begins.push(begin)
      else networks.set(name, { sinceMs: clock(), begins: [begin] })
      waiting += 1
      beginMore()
      if (hasBegun) return leave
      return new Promise((resolve) => {
        resume = () => resolve(leave)
      })
    },

    isOverloaded() {
      const [first] = networks.values()
      return first !== undefined && clock() - first.sinceMs > limits.receiving.waitMs
    },
  }

  function beginMore(): void {
    while (beginning < waiting && beginning + underWay < limits.receiving.underWayMax) {
      beginning += 1
      workQueue.begin(beginNext)
    }
  }

  function beginNext(): void {
    const [first] = networks
    assert(first, 'the work queue was asked for no more messages than wait')
    const [name, { begins }] = first
    networks.delete(name)
    beginning -= 1
    waiting -= 1
    underWay += 1
    begins.shift()!()
    if (begins.length > 0) networks.set(name, { sinceMs: clock(), begins }) // after the other networks
  }

  function leave(): void {
    underWay -= 1
    beginMore()
  }
}
