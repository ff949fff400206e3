/**
 * Work that was interrupted before runs one piece at a time, over all workers of this process.
 *
 * When a process dies, every piece of work under a lease is a suspect. Run together again, all would be counted again. Run
 * one by one, the innocent ones finish, and what ends the process is soon known (docs/adr/0022).
 * Crash: nothing is kept here; the counts are in the rows.
 */
import type { InterruptedClaim } from '../../store/leases.ts'

export interface InterruptedWork {
  /**
   * Call before a claim, and `settle` after it.
   *
   * @param onFree called once when a piece may be claimed again, if none may now
   */
  reserve(onFree: () => void): InterruptedClaim
  /** Gives the reservation up unless an interrupted row was claimed with it. `rows`: none when the claim failed. */
  settle(reserved: InterruptedClaim, rows: readonly Interrupted[]): void
  /** Whether `leave` is to be called when the work on the row has ended. */
  isInterrupted(row: Interrupted): boolean
  leave(): void
}

export interface Interrupted {
  readonly interruptions: number
}

export function createInterruptedWork(limits: { readonly workInterruptionsMax: number }): InterruptedWork {
  const setAsideFrom = limits.workInterruptionsMax
  const refused = new Set<() => void>()
  let isFree = true

  return {
    reserve(onFree) {
      if (!isFree) refused.add(onFree)
      const reserved = { mayClaim: isFree, setAsideFrom }
      isFree = false
      return reserved
    },

    settle({ mayClaim }, rows) {
      if (mayClaim && !rows.some(isInterrupted)) leave()
    },

    isInterrupted,
    leave,
  }

  /** What has reached the limit is set aside without being run. */
  function isInterrupted({ interruptions }: Interrupted): boolean {
    return interruptions > 0 && interruptions < setAsideFrom
  }

  function leave(): void {
    isFree = true
    const listeners = [...refused]
    refused.clear()
    for (const listener of listeners) listener()
  }
}
