/**
 * Looks at a table of waiting work: whenever something says that there may be some, and when it was told to come back.
 *
 * Looks follow one another and never run at once; what is asked for during one is answered by the next.
 * Crash: nothing is kept here. Failure: `look` reports by itself and resolves; the next look comes after `pollMs`.
 * Must not: know what it looks at.
 */

export interface Looks {
  /** Looks now, or right after the look that is under way. */
  soon(): void
  readonly isUnderWay: boolean
  /** Resolves when no look runs any more; none begins after it was called. */
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
      if (isWanted && !isStopping) soon() // wanted between the last look and here
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
