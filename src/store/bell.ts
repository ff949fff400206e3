/**
 * Tells whoever wants to know that something was committed, without saying what: listeners look at the tables. So a
 * ring that comes twice costs a look, and one that is lost costs a poll interval.
 */
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'

export interface Bell {
  ring(): void
  /** @returns what stops it */
  listen(listener: () => void): () => void
}

export function createBell(log: Log, metrics: Metrics): Bell {
  const listeners = new Set<{ readonly hear: () => void }>() // wrapped: one function may listen twice

  return {
    ring() {
      for (const listener of [...listeners]) {
        try {
          listener.hear()
        } catch (error) {
          // Its fault alone: the commit stands, and the others must hear of it.
          metrics.loopErrors.inc({ loop: 'bell' })
          log.error({ err: error }, 'a listener of commits threw')
        }
      }
    },

    listen(hear) {
      const listener = { hear }
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
