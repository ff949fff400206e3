/**
 * The commit notifier: calls its listeners after each commit, without data. Listeners read the tables. So a duplicate
 * signal costs one extra poll, and a lost signal delays work by one poll interval.
 */
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'

export interface CommitNotifier {
  notify(): void
  /** @returns a function that removes the listener */
  listen(listener: () => void): () => void
}

export function createCommitNotifier(log: Log, metrics: Metrics): CommitNotifier {
  const listeners = new Set<{ readonly notified: () => void }>() // wrapped, so that one function can be added twice

  return {
    notify() {
      for (const listener of [...listeners]) {
        try {
          listener.notified()
        } catch (error) {
          // A bug of this listener: the commit is valid, and the other listeners must still be called.
          metrics.backgroundErrors.inc({ loop: 'commit notifier' })
          log.error({ err: error }, 'commit listener failed')
        }
      }
    },

    listen(notified) {
      const listener = { notified }
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
