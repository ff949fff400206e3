/**
 * Runs sweeps: periodic background work, mostly the deletion of old rows and of blobs that no row refers to. The caller
 * passes in the sweeps (server/workers.ts).
 *
 * Every node runs the sweeps, so two runs of one sweep at once must be safe.
 * Crash: the next start begins with one run of each.
 * Failure: logged and counted; the sweep runs again after its interval.
 * Stop: signals abort, and the running sweeps are awaited; they check the signal between two chunks.
 */
import type { Limits } from '../../config/limits.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { createPollLoop, type PollLoop } from '../../store/commit/poll-loop.ts'

export interface Sweeps {
  /** Runs `sweep` now and, from the end of one run, every `intervalMs`. */
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

  return {
    every(intervalMs, name, sweep) {
      const loop = createPollLoop({ ...needs, name, poll: run, pollMs: intervalMs, pauseMs: intervalMs })
      loops.push(loop)
      loop.pollSoon()

      async function run(): Promise<undefined> {
        try {
          await sweep(stopping.signal)
        } catch (error) {
          if (!stopping.signal.aborted) throw error
        }
      }
    },

    async stop() {
      stopping.abort(new Error('the server stops'))
      await Promise.all(loops.map((loop) => loop.stop()))
    },
  }
}
