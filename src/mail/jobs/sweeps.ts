/**
 * Periodic work: removes old events, blobs that no row refers to, expired idempotency keys, old counts. start.ts passes
 * in what each sweep does.
 *
 * Every node runs the sweeps, so two runs of one sweep at once must be safe.
 * Crash: the next start begins with one run of each.
 * Failure: logged and counted; the sweep runs again after its interval.
 * Stop: signals abort, and the running sweeps are awaited; they check the signal between two chunks.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'

export interface Sweeps {
  /** Runs `sweep` now and, from the end of one run, every `intervalMs`. */
  every(intervalMs: number, name: string, sweep: (signal: AbortSignal) => Promise<unknown>): void
  stop(): Promise<void>
}

export function createSweeps({ log, metrics }: { readonly log: Log; readonly metrics: Metrics }): Sweeps {
  const stopping = new AbortController()
  const loops: Promise<void>[] = []

  return {
    every(intervalMs, name, sweep) {
      loops.push(run(intervalMs, name, sweep))
    },

    async stop() {
      stopping.abort(new Error('the server stops'))
      await Promise.all(loops)
    },
  }

  async function run(intervalMs: number, name: string, sweep: (signal: AbortSignal) => Promise<unknown>) {
    const { signal } = stopping
    while (!signal.aborted) {
      try {
        await sweep(signal)
      } catch (error) {
        if (!signal.aborted) {
          metrics.loopErrors.inc({ loop: name })
          log.error({ err: error }, `the sweep of ${name} failed`)
        }
      }
      await delay(intervalMs, undefined, { signal }).catch(() => undefined) // rejects on stop, which ends the loop
    }
  }
}
