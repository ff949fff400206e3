/**
 * Runs sweeps: periodic background work, mostly the deletion of old rows and of blobs that no row refers to. The caller
 * passes in the sweeps (server/workers.ts).
 *
 * Every node runs the sweeps, so two runs of one sweep at once must be safe.
 * Crash: the next start runs each, some seconds later (`limits.jobs.firstSweepMs`): what they remove can wait, and a start
 *   should not have to share the database with all of them.
 * Failure: logged and counted; the sweep runs again after its interval.
 * Stop: signals abort, and the running sweeps are awaited; they check the signal between two chunks.
 */
import type { Limits } from '../../config/limits.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { createPollLoop, type PollLoop } from '../../store/commit/poll-loop.ts'

export interface Sweeps {
  /**
   * Runs `sweep` every `intervalMs`, from the end of one run to the beginning of the next. The first run begins after this
   * time or after `limits.jobs.firstSweepMs`, whichever is shorter.
   */
  every(intervalMs: number, name: string, sweep: (signal: AbortSignal) => Promise<unknown>): void
  stop(): Promise<void>
}

interface SweepsNeeds {
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

export function createSweeps(needs: SweepsNeeds): Sweeps {
  const stopping = new AbortController()
  const loops: PollLoop[] = []
  const beginnings: NodeJS.Timeout[] = []

  return {
    every(intervalMs, name, sweep) {
      const loop = createPollLoop({ ...needs, name, poll: run, pollMs: intervalMs, pauseMs: intervalMs })
      loops.push(loop)
      beginnings.push(setTimeout(loop.pollSoon, Math.min(intervalMs, needs.limits.jobs.firstSweepMs)).unref())

      async function run(): Promise<undefined> {
        try {
          await sweep(stopping.signal)
        } catch (error) {
          if (!stopping.signal.aborted) throw error
        }
      }
    },

    async stop() {
      for (const each of beginnings) clearTimeout(each)
      stopping.abort(new Error('the server stops'))
      await Promise.all(loops.map((loop) => loop.stop()))
    },
  }
}
