/**
 * Parses messages: small ones on the event loop, large ones in a worker thread, one at a time, round robin over their
 * senders (parse-queue.ts). On the event loop, a message of 50 MiB would block every other connection until it is parsed.
 *
 * A message that exceeds the limit of time or memory ends the thread. Its beginning is then parsed on the event loop,
 * since no message is refused for being malformed, and the next large message gets a new thread. The heap limit ends
 * only the thread, because no parser needs one large allocation: see `bodyBytesMax` in formats/mime/mime-parse.ts and
 * compressed-bodies.ts.
 *
 * Crash of the process: nothing was acknowledged or stored yet, so no restart parses the same message again by itself.
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

/** A message to parse. */
export interface UnparsedMail {
  /** The network or organization whose turn a large message uses. */
  readonly fairnessKey: string
  readonly sizeBytes: number
  /** Returns the bytes. Called when it is this message's turn, so that messages in the queue occupy no memory. */
  load(): Promise<Buffer>
}

export interface MailParser {
  /**
   * Never throws because of the content of a message.
   *
   * @throws parse_queue_full, shutting_down; what `load` throws
   */
  parse(mail: UnparsedMail): Promise<ParsedMail>
  /** Refuses the messages in the queue, and finishes the one that is being parsed. */
  stop(): Promise<void>
}

/** `workerData` of the thread. */
export interface ParseThreadData {
  readonly limits: Limits
}

/** Settles the call whose message the thread is parsing. */
interface RunningParse {
  resolve(parsedMail: ParsedMail): void
  reject(error: unknown): void
}

interface MailParserNeeds {
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

/** The thread ended before it had parsed a message. */
class ThreadEnded extends Error {
  override readonly name = 'ThreadEnded'
  readonly reason: 'time' | 'memory' | 'error'
  constructor(reason: ThreadEnded['reason'], cause: unknown) {
    super('the parse thread ended', { cause })
    this.reason = reason
  }
}

export function createMailParser({ limits, log, metrics }: MailParserNeeds): MailParser {
  const queue = createParseQueue(limits)
  let thread: Worker | undefined
  let running: RunningParse | undefined

  return {
    async parse({ fairnessKey, sizeBytes, load }) {
      if (sizeBytes <= limits.parsing.onLoopBytesMax) return parseMail(await load(), limits)
      return queue.run(fairnessKey, async () => parseLarge(fairnessKey, await load()))
    },

    async stop() {
      await queue.stop()
      await thread?.terminate()
    },
  }

  async function parseLarge(fairnessKey: string, raw: Buffer): Promise<ParsedMail> {
    try {
      return await parseInThread(raw)
    } catch (error) {
      const cause = error instanceof ThreadEnded ? error.reason : 'error'
      queue.pauseKey(fairnessKey)
      metrics.messagesParsedInPart.inc({ cause })
      log.warn({ err: error, cause, fairnessKey, sizeBytes: raw.length }, 'only the beginning of a message was parsed')
      return parseBeginning(raw)
    }
  }

  async function parseBeginning(raw: Buffer): Promise<ParsedMail> {
    // Hash all bytes: another message may have the same beginning. In the thread pool, because the message is large.
    const digest = await webcrypto.subtle.digest('SHA-256', raw)
    const fingerprint = createHash('sha256').update('in part').update(Buffer.from(digest)).digest('hex')
    return { ...parseMail(raw.subarray(0, limits.parsing.onLoopBytesMax), limits, { isPart: true }), fingerprint }
  }

  async function parseInThread(raw: Buffer): Promise<ParsedMail> {
    thread ??= startParseThread()
    thread.postMessage(raw)
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      void thread?.terminate() // its exit rejects
    }, limits.parsing.timeoutMs)
    try {
      return await new Promise<ParsedMail>((resolve, reject) => {
        running = { resolve, reject }
      })
    } catch (cause) {
      const isOutOfMemory = (cause as NodeJS.ErrnoException | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY'
      throw new ThreadEnded(isLate ? 'time' : isOutOfMemory ? 'memory' : 'error', cause)
    } finally {
      clearTimeout(timer)
    }
  }

  function startParseThread(): Worker {
    const workerData: ParseThreadData = { limits }
    const resourceLimits = { maxOldGenerationSizeMb: Math.ceil(limits.parsing.heapBytesMax / MIB) }
    const started = startThread(import.meta.url, './parse-worker.thread.ts', { workerData, resourceLimits })
    started.unref() // an idle thread must not keep the process alive; while a caller waits, its socket does
    const end = (cause: unknown) => {
      // An exit follows an error. By then the next message may be waiting for the next thread.
      if (thread !== started) return
      thread = undefined
      running?.reject(cause)
      running = undefined
    }
    started.on('message', (parsedMail: ParsedMail) => {
      running?.resolve(parsedMail)
      running = undefined
    })
    started.on('error', end)
    started.on('exit', end)
    return started
  }
}
