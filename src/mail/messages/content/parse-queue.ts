/**
 * Chooses the large message that is parsed next. One message is parsed at a time, in turns between peers, so that the
 * messages of one peer delay only that peer. A peer whose message could only be parsed in part pauses before its next
 * turn. Without the pause, a peer whose messages each use the whole time limit would get half of the thread.
 *
 * Crash: the queue is in memory only, and its messages were not acknowledged: their senders send them again.
 */

import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'

export interface ParseQueue {
  /**
   * Calls `parse` when it is the peer's turn. Nothing else is parsed until its promise settles.
   *
   * @param peer the network or organization that the message comes from
   * @throws parse_queue_full when too many messages wait, or after limits.parsing.waitMs; shutting_down; what `parse`
   *   throws
   */
  run<T>(peer: string, parse: () => Promise<T>): Promise<T>
  /** Delays the peer's next turn by limits.parsing.penaltyMs. */
  penalise(peer: string): void
  /** Refuses all messages that wait. Resolves when none is being parsed. */
  stop(): Promise<void>
}

interface Waiting {
  /** Never rejects. */
  begin(): Promise<void>
  refuse(error: MailError): void
}

export function createParseQueue(limits: Limits): ParseQueue {
  /** Peers in the order of their turns, each with at least one message. */
  const queues = new Map<string, Waiting[]>()
  /** Times of `performance.now()`. */
  const pausedUntil = new Map<string, number>()
  let waitingCount = 0
  let running: Promise<void> | undefined
  let wakeUp: NodeJS.Timeout | undefined
  let isStopped = false

  return {
    async run<T>(peer: string, parse: () => Promise<T>) {
      if (isStopped) throw new MailError('shutting_down', {})
      makeRoom(peer)
      return new Promise<T>((resolve, reject) => {
        const timer = setTimeout(() => {
          remove(peer, mine)
          reject(new MailError('parse_queue_full', {}))
        }, limits.parsing.waitMs)
        const mine: Waiting = {
          async begin() {
            clearTimeout(timer)
            try {
              resolve(await parse())
            } catch (error) {
              reject(error)
            }
          },
          refuse(error) {
            clearTimeout(timer)
            reject(error)
          },
        }
        const queue = queues.get(peer)
        if (queue) queue.push(mine)
        else queues.set(peer, [mine])
        waitingCount += 1
        next()
      })
    },

    penalise(peer) {
      const now = performance.now()
      for (const [each, until] of pausedUntil) if (until <= now) pausedUntil.delete(each)
      pausedUntil.set(peer, now + limits.parsing.penaltyMs)
    },

    async stop() {
      isStopped = true
      clearTimeout(wakeUp)
      for (const waiting of [...queues.values()].flat()) waiting.refuse(new MailError('shutting_down', {}))
      queues.clear()
      await running
    },
  }

  /**
   * If the queue is full, refuses the last message of the peer that has the most.
   *
   * @throws parse_queue_full when too many messages of this peer wait, or no peer has at least two more than this one
   */
  function makeRoom(peer: string): void {
    const own = queues.get(peer)?.length ?? 0
    if (own >= limits.parsing.waitingPerPeerMax) throw new MailError('parse_queue_full', {})
    if (waitingCount < limits.parsing.waitingMax) return
    const longest = [...queues.values()].reduce<Waiting[]>((a, b) => (b.length > a.length ? b : a), [])
    if (longest.length < own + 2) throw new MailError('parse_queue_full', {})
    longest.pop()!.refuse(new MailError('parse_queue_full', {}))
    waitingCount -= 1
  }

  /** Parses the first message of the first peer that is not paused, unless one is being parsed. */
  function next(): void {
    if (running || isStopped) return
    clearTimeout(wakeUp)
    const now = performance.now()
    let soonest = Number.POSITIVE_INFINITY
    for (const [peer, queue] of queues) {
      const until = pausedUntil.get(peer) ?? 0
      if (until <= now) {
        begin(peer, queue)
        return
      }
      soonest = Math.min(soonest, until)
    }
    if (soonest < Number.POSITIVE_INFINITY) wakeUp = setTimeout(next, soonest - now)
  }

  function begin(peer: string, queue: readonly Waiting[]): void {
    const [first] = queue
    remove(peer, first!)
    running = first!.begin().finally(() => {
      running = undefined
      const rest = queues.get(peer)
      if (rest) {
        queues.delete(peer) // moves it behind the other peers
        queues.set(peer, rest)
      }
      next()
    })
  }

  function remove(peer: string, waiting: Waiting): void {
    const queue = queues.get(peer)
    const index = queue?.indexOf(waiting) ?? -1
    if (!queue || index < 0) return
    queue.splice(index, 1)
    waitingCount -= 1
    if (queue.length === 0) queues.delete(peer)
  }
}
