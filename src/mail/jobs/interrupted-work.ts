/**
 * Runs work that was interrupted before one piece at a time, across all workers of this process.
 *
 * When a process dies, any piece of work under a lease may be the cause. If all ran again together, all would be
 * counted again. One by one, the harmless pieces finish, and the piece that ends the process is soon known
 * (docs/adr/0022).
 *
 * Crash: nothing is stored here; the counts are in the rows.
 */
import type { InterruptedClaim } from '../../store/leases.ts'

export interface InterruptedWork {
  /**
   * Call it before a claim, and `settle` after it.
   *
   * @param onFree called once when a piece may be claimed again, if none may be claimed now
   */
  reserve(onFree: () => void): InterruptedClaim
  /** Releases the reservation unless an interrupted row was claimed with it. `rows`: empty when the claim failed. */
  settle(reserved: InterruptedClaim, rows: readonly Interrupted[]): void
  /** Whether `leave` must be called when the work on the row has ended. */
  isInterrupted(row: Interrupted): boolean
  leave(): void
}

export interface Interrupted {
  readonly interruptions: number
}

export function createInterruptedWork(limits: { readonly workInterruptionsMax: number }): InterruptedWork {
  const setAsideFrom = limits.workInterruptionsMax
  const refused = new Set<() => void>()
  /** Of the worker that has the reservation: more of its work may wait. */
  let holder: (() => void) | undefined

  return {
    reserve(onFree) {
      const mayClaim = holder === undefined
      if (mayClaim) holder = onFree
      else refused.add(onFree)
      return { mayClaim, setAsideFrom }
    },

    settle({ mayClaim }, rows) {
      if (mayClaim && !rows.some(isInterrupted)) free()
    },

    isInterrupted,
    leave,
  }

  /** A row that has reached the limit is not counted: it is set aside without being run. */
  function isInterrupted({ interruptions }: Interrupted): boolean {
    return interruptions > 0 && interruptions < setAsideFrom
  }

  function leave(): void {
    if (holder) refused.add(holder)
    free()
  }

  function free(): void {
    holder = undefined
    const listeners = [...refused]
    refused.clear()
    for (const listener of listeners) listener()
  }
}
