/**
 * Runs work that was interrupted before one piece at a time, across all workers of this process.
 *
 * When a process dies, every piece of work under a lease is a suspect. If they ran together again, all would be counted
 * again. If they run one by one, harmless ones finish, and the one that ends the process is soon found (docs/adr/0022).
 * Work that was interrupted more than once also waits for limits.jobs.interruptedDelayMs after the start. If something
 * else ends the process soon after each start, the piece that has been due longest would be counted at each start.
 * Crash: nothing is kept here; the counts are in the rows.
 */
import type { Limits } from '../../config/limits.ts'
import { type InterruptionBounds, isInterrupted, UNINTERRUPTED } from '../../store/leases.ts'

/** Until the delay is over, only work with a single interruption may be claimed. */
const TWICE_INTERRUPTED = 2

export interface InterruptedWork {
  /**
   * Returns which interrupted rows may be claimed at this moment.
   *
   * @param onFree called once when an interrupted piece may be claimed again, if none may be claimed at this moment
   */
  bounds(onFree: () => void): InterruptionBounds
  /**
   * Claims work, with at most one interrupted piece; with none while another one runs.
   *
   * @param claim  claims rows under leases; the reservation says which interrupted rows it may claim
   * @param rowsOf the rows of what was claimed
   * @param onFree called once when an interrupted piece may be claimed again: if none may be claimed at this moment, or
   *   one was claimed and has ended
   */
  claimWith<Claimed>(
    claim: (reserved: InterruptionBounds) => Promise<Claimed>,
    rowsOf: (claimed: Claimed) => readonly Interrupted[],
    onFree: () => void,
  ): Promise<Claimed>
  /** Whether `ended` is to be called when the work on the row has ended. */
  isInterrupted(row: Interrupted): boolean
  ended(): void
}

export interface Interrupted {
  readonly interruptions: number
}

export function createInterruptedWork(limits: Limits): InterruptedWork {
  const setAsideFrom = limits.jobs.interruptionsMax
  const isSuspect = (row: Interrupted) => isInterrupted(row, setAsideFrom)
  const waitingForRelease = new Set<() => void>()
  /** Called when the delay after the start is over. */
  let waitingForDelay: Set<() => void> | undefined = new Set()
  setTimeout(endDelay, limits.jobs.interruptedDelayMs).unref()
  /** Called for the worker that has the reservation, because more of its work may be due. */
  let reservedBy: (() => void) | undefined

  return {
    bounds,

    async claimWith(claim, rowsOf, onFree) {
      const reserved = bounds(onFree)
      const mayClaim = reserved.interruptionsBelow > UNINTERRUPTED
      if (mayClaim) reservedBy = onFree
      let hasSuspect = false
      try {
        const claimed = await claim(reserved)
        hasSuspect = rowsOf(claimed).some(isSuspect)
        return claimed
      } finally {
        if (mayClaim && !hasSuspect) free()
      }
    },

    isInterrupted: isSuspect,

    ended() {
      if (reservedBy) waitingForRelease.add(reservedBy)
      free()
    },
  }

  function bounds(onFree: () => void): InterruptionBounds {
    waitingForDelay?.add(onFree)
    if (!reservedBy) return { interruptionsBelow: waitingForDelay ? TWICE_INTERRUPTED : setAsideFrom, setAsideFrom }
    waitingForRelease.add(onFree)
    return { interruptionsBelow: UNINTERRUPTED, setAsideFrom }
  }

  function endDelay(): void {
    const listeners = waitingForDelay ?? []
    waitingForDelay = undefined
    for (const listener of listeners) listener()
  }

  function free(): void {
    reservedBy = undefined
    const listeners = [...waitingForRelease]
    waitingForRelease.clear()
    for (const listener of listeners) listener()
  }
}
