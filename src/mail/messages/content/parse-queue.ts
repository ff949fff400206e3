/**
 * Decides whose large mail is parsed next. One mail is parsed at a time, and peers take turns, so that the mails of one
 * peer delay that peer. A peer whose mail could be read in part only pauses before its next turn: without the pause, one
 * peer whose mails each take the whole time would take half of the thread from everybody else.
 *
 * Crash: what waits is in memory only and was not acknowledged; its sender sends it again.
 */

import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'

export interface ParseQueue {
  /**
   * Calls `parse` when it is the peer's turn. Nothing else is parsed until its promise settles.
   *
   * @param peer  the network or organization that the mail comes from
   * @throws parse_queue_full when too many wait, or after limits.parsing.waitMs; shutting_down; what `parse` throws
   */
  run<T>(peer: string, parse: () => Promise<T>): Promise<T>
  /** Delays the peer's next turn by limits.parsing.penaltyMs. */
  penalise(peer: string): void
  /** Refuses all that wait. Resolves when nothing is being parsed. */
  stop(): Promise<void>
}

interface Waiting {
  /** Never rejects. */
  begin(): Promise<void>
  refuse(error: MailError): void
}

export function createParseQueue(limits: Limits): ParseQueue {
  /** Peers in the order of their turns, each with one mail or more. */
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

  /** @throws parse_queue_full unless there is room, or another peer has at least two mails more than this one */
  function makeRoom(peer: string): void {
    const own = queues.get(peer)?.length ?? 0
    if (own >= limits.parsing.waitingPerPeerMax) throw new MailError('parse_queue_full', {})
    if (waitingCount < limits.parsing.waitingMax) return
    const longest = [...queues.values()].reduce<Waiting[]>((a, b) => (b.length > a.length ? b : a), [])
    if (longest.length < own + 2) throw new MailError('parse_queue_full', {})
    longest.pop()!.refuse(new MailError('parse_queue_full', {}))
    waitingCount -= 1
  }

  /** Begins the first mail of the first peer that is not paused, unless a mail is being parsed. */
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
        queues.delete(peer) // now behind those that came meanwhile
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
