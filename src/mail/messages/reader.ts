/**
 * Reads mails: small ones on the event loop, large ones in a thread, one at a time, so that a 50 MiB mail does not stop
 * every other connection for the seconds that its parsing takes.
 *
 * A thread that dies (out of memory on a hostile mail) fails that mail alone; the next one gets a new thread.
 */
import type { Worker } from 'node:worker_threads'
import { MailError } from '../../errors.ts'
import { startThread } from '../../threads.ts'
import { type Reading, type ReadingLimits, readMail } from './reading.ts'

export interface Reader {
  /** @throws unavailable when the thread died */
  read(raw: Buffer): Promise<Reading>
  stop(): Promise<void>
}

/** What the thread is told at its start, and for each mail. */
export interface ReadingThreadData {
  readonly limits: ReadingLimits
}

export function createReader(limits: ReadingLimits & { readonly parseOnLoopBytesMax: number }): Reader {
  let thread: Worker | undefined
  let last: Promise<unknown> = Promise.resolve()

  return {
    async read(raw) {
      if (raw.length <= limits.parseOnLoopBytesMax) return readMail(raw, limits)
      const mine = last.then(() => readInThread(raw))
      last = mine.catch(() => undefined) // its own caller hears of it; the next mail must not
      return mine
    },

    async stop() {
      await last
      await thread?.terminate()
    },
  }

  function readInThread(raw: Buffer): Promise<Reading> {
    thread ??= startThread(import.meta.url, './reading.thread.ts', {
      workerData: { limits } satisfies ReadingThreadData,
    })
    const running = thread
    running.ref()
    return new Promise<Reading>((resolve, reject) => {
      const settle = (act: () => void) => {
        running.removeAllListeners()
        running.unref() // an idle thread must not keep the process up
        act()
      }
      const fail = (cause: unknown) =>
        settle(() => {
          thread = undefined
          reject(new MailError('unavailable', { detail: 'the reading thread died' }, { cause }))
        })
      running.once('message', (reading: Reading) => settle(() => resolve(reading)))
      running.once('error', fail)
      running.once('exit', fail)
      running.postMessage(raw)
    })
  }
}
