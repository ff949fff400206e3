/**
 * Reads mails: small ones on the event loop, large ones in a thread, one at a time, so that a 50 MiB mail does not stop
 * every other connection for the time that its parsing takes.
 *
 * A thread that dies or takes too long has met a hostile mail: it is ended, and the mail is read as far as the event loop
 * can, since no mail is refused for being ugly. The next one gets a new thread.
 */
import { createHash } from 'node:crypto'
import type { Worker } from 'node:worker_threads'
import type { Limits } from '../../limits.ts'
import type { Log } from '../../log.ts'
import { startThread } from '../../threads.ts'
import { type Reading, type ReadingLimits, readMail } from './reading.ts'

export interface Reader {
  /**
   * Never throws for what is in the mail.
   *
   * @param load gives the mail's bytes; called when it is this mail's turn, so that those waiting take no memory
   */
  read(sizeBytes: number, load: () => Promise<Buffer>): Promise<Reading>
  stop(): Promise<void>
}

/** What the thread is told at its start. */
export interface ReadingThreadData {
  readonly limits: ReadingLimits
}

interface Waiting {
  resolve(reading: Reading): void
  reject(error: Error): void
}

interface ReaderNeeds {
  readonly limits: ReadingLimits & Pick<Limits, 'parseOnLoopBytesMax' | 'readingMs'>
  readonly log: Log
}

export function createReader({ limits, log }: ReaderNeeds): Reader {
  let thread: Worker | undefined
  /** Whose mail the thread is reading. */
  let waiting: Waiting | undefined
  let last: Promise<unknown> = Promise.resolve()

  return {
    async read(sizeBytes, load) {
      if (sizeBytes <= limits.parseOnLoopBytesMax) return readMail(await load(), limits)
      const mine = last.then(async () => readLarge(await load()))
      last = mine.catch(() => undefined) // a failing load is its own caller's; the next mail must not hear of it
      return mine
    },

    async stop() {
      await last
      await thread?.terminate()
    },
  }

  async function readLarge(raw: Buffer): Promise<Reading> {
    try {
      return await readInThread(raw)
    } catch (error) {
      log.warn({ err: error, sizeBytes: raw.length }, 'a mail was read in part')
      // Its fingerprint would be that of its beginning, and another mail could be taken for it.
      const fingerprint = createHash('sha256').update('in part').update(raw).digest('hex')
      return { ...readMail(raw.subarray(0, limits.parseOnLoopBytesMax), limits), fingerprint, truncated: true }
    }
  }

  function readInThread(raw: Buffer): Promise<Reading> {
    thread ??= begin()
    thread.postMessage(raw)
    const timer = setTimeout(() => void thread?.terminate(), limits.readingMs) // its exit rejects
    return new Promise<Reading>((resolve, reject) => {
      waiting = { resolve, reject }
    }).finally(() => clearTimeout(timer))
  }

  function begin(): Worker {
    const workerData: ReadingThreadData = { limits }
    const begun = startThread(import.meta.url, './reading.thread.ts', { workerData })
    begun.unref() // an idle thread must not keep the process up; what waits for it has a socket that does
    const end = (cause: unknown) => {
      // An error is followed by an exit: by then the next mail may be waiting for the next thread.
      if (thread !== begun) return
      thread = undefined
      waiting?.reject(new Error('the reading thread ended', { cause }))
      waiting = undefined
    }
    begun.on('message', (reading: Reading) => {
      waiting?.resolve(reading)
      waiting = undefined
    })
    begun.on('error', end)
    begun.on('exit', end)
    return begun
  }
}
