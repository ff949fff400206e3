/**
 * A poll loop over a table of waiting work. It polls on each signal that work may exist, and at the time that the last
 * poll returned.
 *
 * Polls never overlap; a request during a poll is answered by the next one.
 * Crash: nothing is stored here.
 * Failure: `look` reports its own errors and resolves; the next poll runs after `pollMs`.
 * Must not: know which work it polls for.
 */

export interface Looks {
  /** Polls now, or right after the poll that is running. */
  soon(): void
  readonly isUnderWay: boolean
  /** Resolves when no poll is running any more; none begins after this call. */
  stop(): Promise<void>
}

interface LooksNeeds {
  /** @returns ms until something is due, undefined: unknown. Must not reject. */
  look(): Promise<number | undefined>
  readonly pollMs: number
}

export function createLooks({ look, pollMs }: LooksNeeds): Looks {
  let running: Promise<void> | undefined
  let isWanted = false
  let isStopping = false
  let timer: NodeJS.Timeout | undefined

  return {
    soon,

    get isUnderWay() {
      return running !== undefined
    },

    async stop() {
      isStopping = true
      clearTimeout(timer)
      await running
    },
  }

  function soon(): void {
    isWanted = true
    running ??= lookWhileWanted().finally(() => {
      running = undefined
      if (isWanted && !isStopping) soon() // requested between the last poll and here
    })
  }

  async function lookWhileWanted(): Promise<void> {
    while (isWanted && !isStopping) {
      isWanted = false
      clearTimeout(timer)
      const waitMs = (await look()) ?? pollMs
      if (!isStopping) timer = setTimeout(soon, waitMs).unref()
    }
  }
}
