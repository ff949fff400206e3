/**
 * Runs heavy work one piece at a time, round robin over those who ask for it, so that each delays only itself: the parsing
 * of large messages (messages/content/mail-parser.ts) and the texts of attachments (attachment-text.ts there).
 *
 * The turns have two levels: fairness keys (an organization, or the network of an SMTP peer), and the parts of a key (the
 * pods of an organization). A key whose work has used its whole time limit can pause before its next turn. Without the
 * pause, one whose pieces each use the whole limit would get half of the time.
 *
 * Crash: the queue is in memory only, and what waits was not acknowledged.
 */
import { MailError } from '../../errors.ts'
import type { Tenant } from './capacity-shares.ts'

/** For whom a piece of work is done. */
export interface Turn {
  /** The network or organization. */
  readonly fairnessKey: string
  /** The pod. undefined: the key is not divided. */
  readonly fairnessPart?: string | undefined
}

export interface TurnQueue {
  /**
   * Calls `work` when its turn comes. Nothing else of this queue runs until its promise settles.
   *
   * @throws the error of the options when too much waits, or after `waitMs`; shutting_down; what `work` throws
   */
  run<T>(turn: Turn, work: () => Promise<T>): Promise<T>
  /** Delays the next piece of the key. */
  pauseKey(fairnessKey: string, pauseMs: number): void
  /** Refuses everything that waits. Resolves when nothing runs. */
  stop(): Promise<void>
}

interface TurnQueueOptions {
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
  refuse(error: MailError): void
}

/** What waits of one key, in the order of its turns. */
interface KeyQueue {
  waiting: Waiting[]
  /** Of the piece that began last. */
  round: number
}

/** Returns the turn of work for a pod of an organization. */
export function turnOf({ organizationId, podId }: Tenant): Turn {
  return { fairnessKey: `organization ${organizationId}`, ...(podId !== null && { fairnessPart: `pod ${podId}` }) }
}

export function createTurnQueue({ waitingMax, waitingPerKeyMax, waitMs, full }: TurnQueueOptions): TurnQueue {
  /** Fairness keys in the order in which they are served, each with at least one piece. */
  const queues = new Map<string, KeyQueue>()
  /** Times of `performance.now()`. */
  const pausedUntilMs = new Map<string, number>()
  let waitingCount = 0
  let running: Promise<void> | undefined
  let wakeUp: NodeJS.Timeout | undefined
  let isStopped = false

  return {
    async run<T>({ fairnessKey, fairnessPart: part = '' }: Turn, work: () => Promise<T>) {
      if (isStopped) throw new MailError('shutting_down', {})
      evictIfFull(fairnessKey, part)
      return new Promise<T>((resolve, reject) => {
        const timer = setTimeout(() => {
          remove(fairnessKey, mine)
          reject(full())
        }, waitMs)
        const queue = queues.get(fairnessKey) ?? { waiting: [], round: 0 }
        const mine: Waiting = {
          part,
          round: Math.max(queue.round, ...ofPart(queue, part).map(({ round }) => round)) + 1,
          async begin() {
            clearTimeout(timer)
            try {
              resolve(await work())
            } catch (error) {
              reject(error)
            }
          },
          refuse(error) {
            clearTimeout(timer)
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
      await running
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

  /** Begins the first piece of the first key that is not paused, unless one runs. */
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

  function begin(fairnessKey: string, queue: KeyQueue): void {
    const first = queue.waiting[0]!
    queue.round = first.round
    remove(fairnessKey, first)
    running = first.begin().finally(() => {
      running = undefined
      const rest = queues.get(fairnessKey)
      if (rest) {
        queues.delete(fairnessKey) // moves it behind the other keys
        queues.set(fairnessKey, rest)
      }
      next()
    })
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
