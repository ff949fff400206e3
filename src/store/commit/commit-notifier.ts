/**
 * The commit notifier: calls its listeners after each commit, without data. Listeners read the tables. So a duplicate
 * signal costs one extra poll, and a lost signal costs one poll interval.
 */
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'

export interface Bell {
  ring(): void
  /** @returns a function that removes the listener */
  listen(listener: () => void): () => void
}

export function createBell(log: Log, metrics: Metrics): Bell {
  const listeners = new Set<{ readonly hear: () => void }>() // wrapped, so that one function can be added twice

  return {
    ring() {
      for (const listener of [...listeners]) {
        try {
          listener.hear()
        } catch (error) {
          // A bug of this listener: the commit is valid, and the other listeners must still be called.
          metrics.loopErrors.inc({ loop: 'bell' })
          log.error({ err: error }, 'a commit listener threw')
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
