/**
 * Divides the time of the event loop between new connections, requests, messages and transactions.
 *
 * libuv accepts one connection per listener in each turn of the loop (since 1.45; Node 20 and later), and a turn
 * handles everything that is ready. With 50 busy clients a turn took 20 ms, so the server accepted 50 connections per
 * second, however many waited (docs/adr/0035). Therefore
 *
 *   - a turn is short: requests and messages begin while the turn has time left, otherwise in a later turn, round robin
 *     over their queues; transactions yield (`nextTurn`);
 *   - while connections are being accepted, work that can wait does wait, at most `limits.server.acceptMs`. Turns then
 *     take a fraction of a millisecond, and everyone who waits is accepted and greeted.
 *
 * Must not: know what the work is. A unit of work that has begun is not interrupted.
 */
import type { Limits } from './config/limits.ts'
import { outsideUnits } from './fault-boundary.ts'

/**
 * An SMTP connection is greeted in the turn after the one in which it was accepted: smtp-connection.ts first looks for
 * bytes of early talkers.
 */
const GREETING_TURNS = 2

export interface EventLoop {
  /** Call this for each accepted connection, in the turn in which it was accepted. */
  connectionAccepted(): void
  /** Resolves in a later turn: the next one, unless connections are being accepted. */
  nextTurn(): Promise<void>
  /** While several queues have work, they begin it alternately. */
  createWorkQueue(): WorkQueue
}

export interface WorkQueue {
  /**
   * Calls `act` at once if nothing waits and this turn has time left, otherwise in a later turn, in the order of the
   * calls. `act` must not throw. A later call is outside the unit of work of the caller. The caller limits how much waits.
   */
  begin(act: () => void): void
  /** Resolves when `begin` would call `act`. */
  wait(): Promise<void>
}

export function createEventLoop({ server }: Limits): EventLoop {
  /** Turns that are left for new connections. */
  let acceptingTurns = 0
  let acceptingSinceMs: number | undefined
  let waiting: (() => void)[] = []
  /** Those with work, in the order in which they are served. */
  const queues = new Map<WorkQueue, (() => void)[]>()
  /** When the first work of this turn began; undefined: none has. */
  let workSinceMs: number | undefined
  let isScheduled = false

  return {
    connectionAccepted() {
      acceptingTurns = GREETING_TURNS
      acceptingSinceMs ??= performance.now()
      scheduleTurn()
    },

    nextTurn: () =>
      new Promise((resolve) => {
        waiting.push(resolve)
        scheduleTurn()
      }),

    createWorkQueue() {
      const workQueue: WorkQueue = {
        begin(act) {
          if (queues.size === 0 && hasTime()) {
            act()
            return
          }
          const queued = queues.get(workQueue)
          if (queued) queued.push(act)
          else queues.set(workQueue, [act])
          scheduleTurn()
        },

        wait: () => new Promise((resolve) => workQueue.begin(resolve)),
      }
      return workQueue
    },
  }

  function hasTime(): boolean {
    if (workSinceMs === undefined) {
      workSinceMs = performance.now()
      scheduleTurn() // which ends this one
      return true
    }
    return performance.now() - workSinceMs < server.workMs
  }

  function scheduleTurn(): void {
    if (isScheduled) return
    isScheduled = true
    outsideUnits(() => setImmediate(beginTurn))
  }

  function beginTurn(): void {
    isScheduled = false
    workSinceMs = undefined
    if (isAccepting()) {
      scheduleTurn()
      return
    }
    acceptingSinceMs = undefined
    const resolveAll = waiting
    waiting = []
    for (const resolve of resolveAll) resolve()
    if (queues.size > 0) beginNext()
  }

  function isAccepting(): boolean {
    if (acceptingTurns === 0 || acceptingSinceMs === undefined) return false
    acceptingTurns -= 1
    return performance.now() - acceptingSinceMs < server.acceptMs
  }

  /** Begins one piece of work after the other until this turn's time is over. */
  function beginNext(): void {
    const [next] = queues
    if (!next) return
    if (!hasTime()) {
      scheduleTurn()
      return
    }
    const [workQueue, queued] = next
    queues.delete(workQueue)
    const act = queued.shift()!
    if (queued.length > 0) queues.set(workQueue, queued) // after the other queues
    act()
    // Node runs this when the promises that `act` has resolved have run, so that the time of that work counts.
    queueMicrotask(() => process.nextTick(beginNext))
  }
}
