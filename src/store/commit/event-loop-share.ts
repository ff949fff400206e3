/**
 * Shares the event loop between the transactions of a group and all other work. Part of group-commit.ts.
 *
 * After limits.store.turnMs, a group yields to the event loop: between two members, or before any statement of one.
 * Transactions that arrive meanwhile join the group if it has time left. (With SQLite, a member never waits for I/O, so
 * none could arrive otherwise.) The time of other work does not count against a transaction or its group.
 */

import type { Limits } from '../../config/limits.ts'
import type { EventLoop } from '../../event-loop.ts'

export interface EventLoopShare {
  /** Call this when a group begins. */
  beginTurn(): void
  /** Returns undefined, without a promise, while there is time left. */
  yieldIfLong(): Promise<void> | undefined
  /** Milliseconds of a monotonic clock that stops while the group has yielded. */
  ownTimeMs(): number
}

export function createEventLoopShare({ store }: Limits, { nextTurn }: Pick<EventLoop, 'nextTurn'>): EventLoopShare {
  let turnStartedAtMs = performance.now()
  /** Total time for which the groups let other work run. */
  let othersMs = 0

  return {
    beginTurn() {
      turnStartedAtMs = performance.now()
    },

    yieldIfLong() {
      const yieldedAtMs = performance.now()
      if (yieldedAtMs - turnStartedAtMs < store.turnMs) return undefined
      return nextTurn().then(() => {
        // Statements of one transaction may yield at the same time.
        othersMs += performance.now() - Math.max(yieldedAtMs, turnStartedAtMs)
        turnStartedAtMs = performance.now()
      })
    },

    ownTimeMs: () => performance.now() - othersMs,
  }
}
