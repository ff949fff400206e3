/**
 * A poll loop: runs one poll after the other, most often of a table with due work. It polls when a signal says that
 * work may be due (a commit, or capacity that became free), and at the time that the last poll returned.
 *
 * A signal is a hint without data: a lost one delays work by one poll interval. Polls never overlap; a signal during a
 * poll causes another one.
 * Crash: nothing is stored here.
 * Failure: logged and counted. The next poll runs after a pause that signals do not shorten: most likely the database
 *   failed, and a poll per signal would only add to its load.
 * Must not: know which work it polls for.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../config/limits.ts'
import { outsideUnits } from '../../fault-boundary.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'

export interface PollLoop {
  /** Polls now; after the poll that is running; or after the pause that follows a failed poll. */
  readonly pollSoon: () => void
  readonly isPolling: boolean
  /** Resolves when no poll is running any more; none begins after this call. */
  stop(): Promise<void>
}

interface PollLoopNeeds {
  /** The name in metrics and the log, for example "queue". */
  readonly name: string
  /** Returns ms until the next poll (0: at once, after other work), or undefined: after `pollMs`. */
  readonly poll: () => Promise<number | undefined>
  readonly pollMs: number
  /** The pause after a failed poll. Default: two intervals, at most limits.store.pollPauseMsMax. */
  readonly pauseMs?: number
  /** Added to the log line of a failed poll. */
  readonly logFields?: () => object
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

/** Creates a loop that begins with the first call of `pollSoon`. */
export function createPollLoop({ name, poll, pollMs, limits, log, metrics, ...needs }: PollLoopNeeds): PollLoop {
  const pauseMs = needs.pauseMs ?? Math.min(2 * pollMs, limits.store.pollPauseMsMax)
  let running: Promise<void> | undefined
  let isPolling = false
  let isWanted = false
  let isPaused = false
  let isStopping = false
  let timer: NodeJS.Timeout | undefined

  return {
    pollSoon,

    get isPolling() {
      return isPolling
    },

    async stop() {
      isStopping = true
      clearTimeout(timer)
      await running
    },
  }

  function pollSoon(): void {
    isWanted = true
    if (isPolling || isPaused || isStopping) return
    isPolling = true // before the first poll, which may call `pollSoon`
    running = outsideUnits(pollWhileWanted)
  }

  /** Never rejects. */
  async function pollWhileWanted(): Promise<void> {
    while (isWanted && !isPaused && !isStopping) {
      isWanted = false
      clearTimeout(timer)
      let waitMs: number
      try {
        waitMs = (await poll()) ?? pollMs
      } catch (error) {
        waitMs = pauseAfter(error)
      }
      if (waitMs === 0 && !isPaused) {
        isWanted = true
        await setImmediate()
      } else if (!isStopping) timer = setTimeout(wake, waitMs).unref()
    }
    isPolling = false
  }

  /** Returns ms until the next poll. */
  function pauseAfter(error: unknown): number {
    metrics.backgroundErrors.inc({ loop: name })
    log.error({ err: error, loop: name, ...needs.logFields?.() }, 'poll failed; will retry')
    isPaused = true
    return pauseMs
  }

  function wake(): void {
    isPaused = false
    pollSoon()
  }
}
