/**
 * Work that comes around: old events, blobs that nothing refers to, expired keys of idempotency, old counts. What each
 * sweep does is handed in by main.ts.
 *
 * Every node runs them, so a sweep must bear being run twice at once. Crash: the next start begins with one of each.
 * A sweep that fails is logged, counted, and comes around again at its time. Stop: signals abort, and the sweeps under
 * way are waited for; they look at the signal between two chunks.
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
      await delay(intervalMs, undefined, { signal }).catch(() => undefined) // rejects when we stop: that is its end
    }
  }
}
