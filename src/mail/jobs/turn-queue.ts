/**
 * Runs heavy work one piece at a time, or a few, round robin over those who ask for it, so that each delays only itself: the
 * parsing of large messages (messages/content/mail-parser.ts), the texts of attachments (attachment-text.ts there), and what
 * SEARCH of IMAP compares (mailboxes/search/search-sources.ts).
 *
 * The turns have two levels: fairness keys (an organization, or the network of an SMTP peer), and the parts of a key (the
 * pods of an organization). A key whose work has used its whole time limit can pause before its next turn. Without the
 * pause, one whose pieces each use the whole limit would get half of the time.
 *
 * Crash: the queue is in memory only, and what waits was not acknowledged.
 */
import { MailError } from '../../errors.ts'
import type { Tenant } from './capacity-shares.ts'

/** The tenant or peer for whom a piece of work is done. */
export interface Turn {
  /** The network or organization. */
  readonly fairnessKey: string
  /** The pod. undefined: the key is not divided. */
  readonly fairnessPart?: string | undefined
}

export interface TurnQueue {
  /**
   * Calls `work` when its turn comes. Until its promise settles, only `runningMax - 1` others of this queue run.
   *
   * @param signal removes the work from the queue while it waits; once it runs, `work` must check the signal itself
   * @throws the error of the options when too much waits, or after `waitMs`; shutting_down; the reason of `signal`; what `work` throws
   */
  run<T>(turn: Turn, work: () => Promise<T>, signal?: AbortSignal): Promise<T>
  /** Delays the next piece of the key. */
  pauseKey(fairnessKey: string, pauseMs: number): void
  /** Refuses everything that waits. Resolves when nothing runs. A queue whose callers all leave with their signals needs no stop. */
  stop(): Promise<void>
}

interface TurnQueueOptions {
  /** Pieces that run at once, in all and of one key. The default is 1 in all, and no limit for a key. */
  readonly runningMax?: number
  readonly runningPerKeyMax?: number
  /** How many pieces may wait, in all and of one key. A piece of the key or part that has the most makes room for others. */
  readonly waitingMax: number
  readonly waitingPerKeyMax: number
  readonly waitMs: number
  /** Thrown when it is full. */
  readonly full: () => MailError
}

interface Waiting {
  readonly part: string
  /** The round of its key in which it runs: each part has one piece per round. */
  readonly round: number
  /** Never rejects. */
  begin(): Promise<void>
  refuse(error: unknown): void
}

/** The waiting pieces of one key, in the order of their turns. */
interface KeyQueue {
  waiting: Waiting[]
  /** The round of the piece that began last. */
  round: number
}

/** Returns the turn of work for a pod of an organization. */
export function turnOf({ organizationId, podId }: Tenant): Turn {
  return { fairnessKey: `organization ${organizationId}`, ...(podId !== null && { fairnessPart: `pod ${podId}` }) }
}

export function createTurnQueue(options: TurnQueueOptions): TurnQueue {
  const { runningMax = 1, runningPerKeyMax = runningMax, waitingMax, waitingPerKeyMax, waitMs, full } = options
  /** Fairness keys in the order in which they are served, each with at least one piece. */
  const queues = new Map<string, KeyQueue>()
  /** Times of `performance.now()`. */
  const pausedUntilMs = new Map<string, number>()
  let waitingCount = 0
  /** With the key of each. */
  const running = new Map<Promise<void>, string>()
  let wakeUp: NodeJS.Timeout | undefined
  let isStopped = false

  return {
    async run<T>({ fairnessKey, fairnessPart: part = '' }: Turn, work: () => Promise<T>, signal?: AbortSignal) {
      if (isStopped) throw new MailError('shutting_down', {})
      signal?.throwIfAborted()
      evictIfFull(fairnessKey, part)
      return new Promise<T>((resolve, reject) => {
        const leave = (error: unknown) => {
          remove(fairnessKey, mine)
          mine.refuse(error)
        }
        const onAbort = () => leave(signal!.reason)
        const timer = setTimeout(() => leave(full()), waitMs)
        signal?.addEventListener('abort', onAbort)
        const stopWaiting = () => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', onAbort)
        }
        const queue = queues.get(fairnessKey) ?? { waiting: [], round: 0 }
        const mine: Waiting = {
          part,
          round: Math.max(queue.round, ...ofPart(queue, part).map(({ round }) => round)) + 1,
          async begin() {
            stopWaiting()
            try {
              resolve(await work())
            } catch (error) {
              reject(error)
            }
          },
          refuse(error) {
            stopWaiting()
            reject(error)
          },
        }
        const later = queue.waiting.findIndex(({ round }) => round > mine.round)
        queue.waiting.splice(later < 0 ? queue.waiting.length : later, 0, mine)
        queues.set(fairnessKey, queue)
        waitingCount += 1
        next()
      })
    },

    pauseKey(fairnessKey, pauseMs) {
      const now = performance.now()
      for (const [each, until] of pausedUntilMs) if (until <= now) pausedUntilMs.delete(each)
      pausedUntilMs.set(fairnessKey, now + pauseMs)
    },

    async stop() {
      isStopped = true
      clearTimeout(wakeUp)
      for (const { waiting } of queues.values())
        for (const each of waiting) each.refuse(new MailError('shutting_down', {}))
      queues.clear()
      await Promise.all(running.keys())
    },
  }

  /**
   * If the queue of the key or the whole queue is full, refuses the last piece of the part or key that has the most.
   *
   * @throws the error of the options if none has at least two more than this one
   */
  function evictIfFull(fairnessKey: string, part: string): void {
    const queue = queues.get(fairnessKey) ?? { waiting: [], round: 0 }
    const own = queue.waiting.length
    if (own >= waitingPerKeyMax) {
      const parts = [...new Set(queue.waiting.map((each) => each.part))]
      evictLongest(
        parts.map((each) => ofPart(queue, each)),
        ofPart(queue, part).length,
      )
    } else if (waitingCount >= waitingMax) {
      const keys = [...queues.values()]
      evictLongest(
        keys.map(({ waiting }) => waiting),
        own,
      )
    }
  }

  function evictLongest(queuesOfOthers: readonly (readonly Waiting[])[], own: number): void {
    const longest = queuesOfOthers.reduce((a, b) => (b.length > a.length ? b : a), [])
    if (longest.length < own + 2) throw full()
    const last = longest.at(-1)!
    for (const key of queues.keys()) remove(key, last)
    last.refuse(full())
  }

  /** Begins pieces until as many run as may. First those of keys of which none runs. */
  function next(): void {
    clearTimeout(wakeUp)
    while (running.size < runningMax && !isStopped) {
      const now = performance.now()
      const counts = new Map<string, number>()
      for (const key of running.values()) counts.set(key, (counts.get(key) ?? 0) + 1)
      const keys = [...queues.keys()].filter((key) => (counts.get(key) ?? 0) < runningPerKeyMax)
      const ready = keys.filter((key) => (pausedUntilMs.get(key) ?? 0) <= now)
      const fairnessKey = ready.find((key) => !counts.has(key)) ?? ready[0]
      if (fairnessKey === undefined) {
        const soonest = Math.min(...keys.map((key) => pausedUntilMs.get(key)!)) // all of them are paused
        if (keys.length > 0) wakeUp = setTimeout(next, soonest - now)
        return
      }
      begin(fairnessKey)
    }
  }

  function begin(fairnessKey: string): void {
    const queue = queues.get(fairnessKey)!
    const first = queue.waiting[0]!
    queue.round = first.round
    remove(fairnessKey, first)
    const piece: Promise<void> = first.begin().finally(() => {
      running.delete(piece)
      const rest = queues.get(fairnessKey)
      if (rest) {
        queues.delete(fairnessKey) // moves it behind the other keys
        queues.set(fairnessKey, rest)
      }
      next()
    })
    running.set(piece, fairnessKey)
  }

  function remove(fairnessKey: string, piece: Waiting): void {
    const queue = queues.get(fairnessKey)
    const index = queue?.waiting.indexOf(piece) ?? -1
    if (!queue || index < 0) return
    queue.waiting.splice(index, 1)
    waitingCount -= 1
    if (queue.waiting.length === 0) queues.delete(fairnessKey)
  }
}

function ofPart({ waiting }: KeyQueue, part: string): Waiting[] {
  return waiting.filter((each) => each.part === part)
}
