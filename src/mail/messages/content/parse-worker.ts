/**
 * Parses mails: small ones on the event loop, large ones in a worker thread, one at a time and peer by peer
 * (parse-queue.ts), so that a 50 MiB mail does not stop every other connection for the time that its parsing takes.
 *
 * A mail that takes more than its time or memory ends the thread. It is read as far as the event loop can, since no mail is
 * refused for being ugly; the next one gets a new thread. The heap limit ends the thread alone because nothing that is
 * parsed needs one large allocation: see `limits.parsing.bodyBytesMax` in formats/mime-parse and `toJson` in parsed-message.ts.
 *
 * Crash of the process: nothing was acknowledged or stored yet, so that no restart parses the same mail again by itself.
 */
import { createHash, webcrypto } from 'node:crypto'
import type { Worker } from 'node:worker_threads'
import { MIB } from '../../../config/limits/limit.ts'
import type { Limits } from '../../../config/limits.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import { startThread } from '../../../worker-threads.ts'
import { createParseQueue } from './parse-queue.ts'
import { type ParsedMail, parseMail } from './parsed-message.ts'

/** A mail to be parsed. */
export interface Unread {
  /** Whose turn it takes when it is large: a network or an organization. */
  readonly peer: string
  readonly sizeBytes: number
  /** Gives the mail's bytes; called when it is this mail's turn, so that those waiting take no memory. */
  load(): Promise<Buffer>
}

export interface MailParser {
  /**
   * Never throws for what is in the mail.
   *
   * @throws parse_queue_full, shutting_down; what `load` throws
   */
  read(mail: Unread): Promise<ParsedMail>
  /** Refuses what waits; the mail that is being parsed is finished. */
  stop(): Promise<void>
}

/** What the thread is given at its start. */
export interface ParseThreadData {
  readonly limits: Limits
}

interface Waiting {
  resolve(parsedMail: ParsedMail): void
  reject(error: unknown): void
}

interface MailParserNeeds {
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

/** Why a thread ended before it had parsed a mail. */
class ThreadEnded extends Error {
  override readonly name = 'ThreadEnded'
  readonly lack: 'time' | 'memory' | 'error'
  constructor(lack: ThreadEnded['lack'], cause: unknown) {
    super('the thread that parses mails ended', { cause })
    this.lack = lack
  }
}

export function createMailParser({ limits, log, metrics }: MailParserNeeds): MailParser {
  const queue = createParseQueue(limits)
  let thread: Worker | undefined
  /** For the mail that the thread is parsing. */
  let waiting: Waiting | undefined

  return {
    async read({ peer, sizeBytes, load }) {
      if (sizeBytes <= limits.parsing.onLoopBytesMax) return parseMail(await load(), limits)
      return queue.run(peer, async () => readLarge(peer, await load()))
    },

    async stop() {
      await queue.stop()
      await thread?.terminate()
    },
  }

  async function readLarge(peer: string, raw: Buffer): Promise<ParsedMail> {
    try {
      return await parseInThread(raw)
    } catch (error) {
      const cause = error instanceof ThreadEnded ? error.lack : 'error'
      queue.penalise(peer)
      metrics.messagesParsedInPart.inc({ cause })
      log.warn({ err: error, cause, peer, sizeBytes: raw.length }, 'a mail was read in part')
      return readBeginning(raw)
    }
  }

  async function readBeginning(raw: Buffer): Promise<ParsedMail> {
    // The fingerprint of its beginning could be that of another mail. Hashed in the thread pool, for it is large.
    const digest = await webcrypto.subtle.digest('SHA-256', raw)
    const fingerprint = createHash('sha256').update('in part').update(Buffer.from(digest)).digest('hex')
    return { ...parseMail(raw.subarray(0, limits.parsing.onLoopBytesMax), limits), fingerprint, truncated: true }
  }

  async function parseInThread(raw: Buffer): Promise<ParsedMail> {
    thread ??= begin()
    thread.postMessage(raw)
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      void thread?.terminate() // its exit rejects
    }, limits.parsing.timeoutMs)
    try {
      return await new Promise<ParsedMail>((resolve, reject) => {
        waiting = { resolve, reject }
      })
    } catch (cause) {
      const isOutOfMemory = (cause as NodeJS.ErrnoException | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY'
      throw new ThreadEnded(isLate ? 'time' : isOutOfMemory ? 'memory' : 'error', cause)
    } finally {
      clearTimeout(timer)
    }
  }

  function begin(): Worker {
    const workerData: ParseThreadData = { limits }
    const resourceLimits = { maxOldGenerationSizeMb: Math.ceil(limits.parsing.heapBytesMax / MIB) }
    const begun = startThread(import.meta.url, './parse-worker.thread.ts', { workerData, resourceLimits })
    begun.unref() // an idle thread must not keep the process up; what waits for it has a socket that does
    const end = (cause: unknown) => {
      // An error is followed by an exit: by then the next mail may be waiting for the next thread.
      if (thread !== begun) return
      thread = undefined
      waiting?.reject(cause)
      waiting = undefined
    }
    begun.on('message', (parsedMail: ParsedMail) => {
      waiting?.resolve(parsedMail)
      waiting = undefined
    })
    begun.on('error', end)
    begun.on('exit', end)
    return begun
  }
}
