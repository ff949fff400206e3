/**
 * Work that was interrupted before runs one piece at a time, over all workers of this process.
 *
 * When a process dies, every piece of work under a lease is a suspect. Run together again, all would be counted again. Run
 * one by one, the innocent ones finish, and what ends the process is soon known (docs/adr/0022).
 * Crash: nothing is kept here; the counts are in the rows.
 */
import type { Limits } from '../../config/limits.ts'
import { type InterruptedClaim, isInterrupted } from '../../store/leases.ts'

export interface InterruptedWork {
  /**
   * Says which interrupted rows are worth a claim at this moment.
   *
   * @param onFree called once when an interrupted piece may be claimed again, if none may be now
   */
  check(onFree: () => void): InterruptedClaim
  /**
   * Claims work, with at most one interrupted piece; with none while another one runs.
   *
   * @param claim  claims rows under leases; the reservation says which interrupted rows it may claim
   * @param rowsOf the rows of what was claimed
   * @param onFree called once when an interrupted piece may be claimed again: if none might now, or one was claimed and
   *   has ended
   */
  claim<Claimed>(
    claim: (reserved: InterruptedClaim) => Promise<Claimed>,
    rowsOf: (claimed: Claimed) => readonly Interrupted[],
    onFree: () => void,
  ): Promise<Claimed>
  /** Whether `leave` is to be called when the work on the row has ended. */
  isInterrupted(row: Interrupted): boolean
  leave(): void
}

export interface Interrupted {
  readonly interruptions: number
}

export function createInterruptedWork(limits: Limits): InterruptedWork {
  const setAsideFrom = limits.jobs.interruptionsMax
  const isSuspect = (row: Interrupted) => isInterrupted(row, setAsideFrom)
  const refused = new Set<() => void>()
  /** Of the worker that has the reservation: more of its work may wait. */
  let holder: (() => void) | undefined

  return {
    check,

    async claim(claim, rowsOf, onFree) {
      const { mayClaim } = check(onFree)
      if (mayClaim) holder = onFree
      let hasSuspect = false
      try {
        const claimed = await claim({ mayClaim, setAsideFrom })
        hasSuspect = rowsOf(claimed).some(isSuspect)
        return claimed
      } finally {
        if (mayClaim && !hasSuspect) free()
      }
    },

    isInterrupted: isSuspect,

    leave() {
      if (holder) refused.add(holder)
      free()
    },
  }

  function check(onFree: () => void): InterruptedClaim {
    if (holder) refused.add(onFree)
    return { mayClaim: holder === undefined, setAsideFrom }
  }

  function free(): void {
    holder = undefined
    const listeners = [...refused]
    refused.clear()
    for (const listener of listeners) listener()
  }
}
