/**
 * The commit signal, as a loop waits for it: the loop works through a table, waits here, and polls the table again.
 *
 * A signal is only a hint. A signal that arrives while the loop is not waiting ends the next wait at once; a lost
 * signal costs `timeoutMs`. It must not carry data: the loop reads the table.
 */
import type { Store } from '../store.ts'

export interface CommitWait {
  /** Resolves at once if there was a commit since the last wait ended, else at the next commit or after `timeoutMs`. */
  next(timeoutMs: number): Promise<void>
  /** Waits for `timeoutMs` and ignores commits, for a loop that failed. `close` ends it. */
  pause(timeoutMs: number): Promise<void>
  /** Ends the current `next`, as a commit does. */
  ring(): void
  /** Ends the current wait and makes all later ones resolve at once. */
  close(): void
}

export function createCommitWait(store: Pick<Store, 'onCommit'>): CommitWait {
  let isRung = false
  let isClosed = false
  let wake: (() => void) | undefined
  let wakePaused: (() => void) | undefined
  const stopListening = store.onCommit(ring)

  return {
    async next(timeoutMs) {
      if (!isRung && !isClosed) await sleep(timeoutMs, (end) => (wake = end))
      wake = undefined
      isRung = false
    },

    async pause(timeoutMs) {
      if (!isClosed) await sleep(timeoutMs, (end) => (wakePaused = end))
      wakePaused = undefined
    },

    ring,

    close() {
      stopListening()
      isClosed = true
      wake?.()
      wakePaused?.()
    },
  }

  function ring(): void {
    isRung = true
    wake?.()
  }
}

async function sleep(timeoutMs: number, register: (end: () => void) => void): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs)
    register(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
