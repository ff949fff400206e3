/**
 * Chooses the large message that is parsed next. One message is parsed at a time, round robin over fairness keys: the
 * network of an SMTP peer, or the organization of a local sender. So one sender delays only itself. A key whose message
 * could only be parsed in part pauses before its next message. Without the pause, a sender whose messages each use the
 * whole time limit would get half of the thread.
 *
 * Crash: the queue is in memory only, and its messages were not acknowledged: their senders send them again.
 */

import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'

export interface ParseQueue {
  /**
   * Calls `parse` when the key is next. Nothing else is parsed until its promise settles.
   *
   * @param fairnessKey the network or organization that the message comes from
   * @throws parse_queue_full when too many messages wait, or after limits.parsing.waitMs; shutting_down; what `parse`
   *   throws
   */
  run<T>(fairnessKey: string, parse: () => Promise<T>): Promise<T>
  /** Delays the next message of the key by limits.parsing.keyPauseMs. */
  pauseKey(fairnessKey: string): void
  /** Refuses all messages that wait. Resolves when none is being parsed. */
  stop(): Promise<void>
}

interface QueuedParse {
  /** Never rejects. */
  begin(): Promise<void>
  refuse(error: MailError): void
}

export function createParseQueue(limits: Limits): ParseQueue {
  /** Fairness keys in the order in which they are served, each with at least one message. */
  const queues = new Map<string, QueuedParse[]>()
  /** Times of `performance.now()`. */
  const pausedUntilMs = new Map<string, number>()
  let waitingCount = 0
  let running: Promise<void> | undefined
  let wakeUp: NodeJS.Timeout | undefined
  let isStopped = false

  return {
    async run<T>(fairnessKey: string, parse: () => Promise<T>) {
      if (isStopped) throw new MailError('shutting_down', {})
      evictIfFull(fairnessKey)
      return new Promise<T>((resolve, reject) => {
        const timer = setTimeout(() => {
          remove(fairnessKey, mine)
          reject(new MailError('parse_queue_full', {}))
        }, limits.parsing.waitMs)
        const mine: QueuedParse = {
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
        const queue = queues.get(fairnessKey)
        if (queue) queue.push(mine)
        else queues.set(fairnessKey, [mine])
        waitingCount += 1
        next()
      })
    },

    pauseKey(fairnessKey) {
      const now = performance.now()
      for (const [each, until] of pausedUntilMs) if (until <= now) pausedUntilMs.delete(each)
      pausedUntilMs.set(fairnessKey, now + limits.parsing.keyPauseMs)
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
   * If the queue is full, refuses the last message of the key that has the most.
   *
   * @throws parse_queue_full when too many messages of this key wait, or no key has at least two more than this one
   */
  function evictIfFull(fairnessKey: string): void {
    const own = queues.get(fairnessKey)?.length ?? 0
    if (own >= limits.parsing.waitingPerSenderMax) throw new MailError('parse_queue_full', {})
    if (waitingCount < limits.parsing.waitingMax) return
    const longest = [...queues.values()].reduce<QueuedParse[]>((a, b) => (b.length > a.length ? b : a), [])
    if (longest.length < own + 2) throw new MailError('parse_queue_full', {})
    longest.pop()!.refuse(new MailError('parse_queue_full', {}))
    waitingCount -= 1
  }

  /** Parses the first message of the first key that is not paused, unless one is being parsed. */
  function next(): void {
    if (running || isStopped) return
    clearTimeout(wakeUp)
    const now = performance.now()
    let soonest = Number.POSITIVE_INFINITY
    for (const [fairnessKey, queue] of queues) {
      const until = pausedUntilMs.get(fairnessKey) ?? 0
      if (until <= now) {
        begin(fairnessKey, queue)
        return
      }
      soonest = Math.min(soonest, until)
    }
    if (soonest < Number.POSITIVE_INFINITY) wakeUp = setTimeout(next, soonest - now)
  }

  function begin(fairnessKey: string, queue: readonly QueuedParse[]): void {
    const [first] = queue
    remove(fairnessKey, first!)
    running = first!.begin().finally(() => {
      running = undefined
      const rest = queues.get(fairnessKey)
      if (rest) {
        queues.delete(fairnessKey) // moves it behind the other keys
        queues.set(fairnessKey, rest)
      }
      next()
    })
  }

  function remove(fairnessKey: string, waiting: QueuedParse): void {
    const queue = queues.get(fairnessKey)
    const index = queue?.indexOf(waiting) ?? -1
    if (!queue || index < 0) return
    queue.splice(index, 1)
    waitingCount -= 1
    if (queue.length === 0) queues.delete(fairnessKey)
  }
}
