/**
 * Waiting for the store's bell: a loop that works off what is in a table looks at it, waits here, looks again.
 *
 * A ring is only a hint. One that comes while nobody waits is kept for the next wait; one that is lost altogether costs
 * `timeoutMs`. Must not carry data: who hears it looks at the table.
 */
import type { Store } from './store.ts'

export interface CommitWait {
  /** Resolves at once when something was committed since the last wait ended, else at the next commit or after `timeoutMs`. */
  next(timeoutMs: number): Promise<void>
  /** Waits although commits ring, for a loop that failed. `close` ends it. */
  pause(timeoutMs: number): Promise<void>
  /** Ends the wait under way as a commit would. */
  ring(): void
  /** Ends every wait, now and later. */
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
