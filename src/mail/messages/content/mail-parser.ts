/**
 * Parses messages, and reads who claims to have written them, in worker threads: small messages in batches, by one or more threads
 * (parse-batches.ts), large ones by another one, one at a time, round robin over their senders (jobs/turn-queue.ts). So a large message
 * delays no small one, and its thread has a low priority: on a machine with few cores, everything else would wait for it
 * (docs/adr/0088). No message is parsed on the event loop, because one that takes long, or all memory, would stop every
 * connection.
 *
 *   small → batch → parsed
 *     ↓ it ended the thread
 *   large → alone, with more time → parsed
 *     ↓ it ended the thread
 *   a few header fields (formats/mime/header-only.ts), since no message is refused for being malformed
 *
 * After a small message has ended its thread, small messages of its sender are parsed like large ones for a while, so
 * that they end no batch of others.
 *
 * Crash of the process: nothing was acknowledged or stored yet, so no restart parses the same message again by itself.
 * Stop: messages that wait are refused; those in a thread are finished, or refused when that takes `limits.parsing.timeoutMs`.
 */
import { createHash } from 'node:crypto'
import type { Limits } from '../../../config/limits.ts'
import { waitAtMost } from '../../../deadline.ts'
import { MailError } from '../../../errors.ts'
import type { SenderEvidence } from '../../../formats/dkim/sender-evidence.ts'
import { HEADER_BYTES_MAX, readHeaderOnly } from '../../../formats/mime/header-only.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import { whenReady } from '../../../when-ready.ts'
import { createTurnQueue, type Turn } from '../../jobs/turn-queue.ts'
import { packContentText } from '../search/content-text.ts'
import { compressBodies } from './compressed-bodies.ts'
import { headerAddresses } from './mail-addresses.ts'
import { createParseBatches } from './parse-batches.ts'
import {
  createParseWorker,
  type LoadedMail,
  type ParseThreads,
  type Task,
  type TaskResults,
  ThreadEnded,
} from './parse-worker.ts'
import type { ParsedMail } from './parsed-message.ts'

/** A message to parse, and who sends it: large messages are parsed round robin over senders. */
export interface UnparsedMail extends Turn {
  readonly sizeBytes: number
  /** How many bytes at its start this server has added. */
  readonly ownBytes: number
  /** Whether codes and links are searched for now; otherwise when the message is shown. */
  readonly findsCodes: boolean
  /** The file that contains it, if there is one: a large message is read there by the thread. */
  readonly file: string | undefined
  /** Returns the message. Called when it is parsed, at most twice: messages that wait need not occupy memory. */
  load(): LoadedMail | Promise<LoadedMail>
  /** Reads it from the beginning, without loading all of it into memory. */
  chunks(): AsyncIterable<Uint8Array>
}

/** What is needed to authenticate the sender of a message. */
type UncheckedMail = Omit<UnparsedMail, 'ownBytes' | 'findsCodes' | 'chunks'>

export interface MailParser {
  /** Call it when a message begins to arrive. The thread then starts, if necessary, while the bytes arrive. */
  expectMail(): void
  /**
   * Never throws because of the content of a message.
   *
   * @throws parse_queue_full, shutting_down; unavailable when no thread can be started, the file cannot be read in time, or the thread gets too
   *   little CPU time; what `load` throws
   */
  parse(mail: UnparsedMail): Promise<ParsedMail>
  /**
   * Reads what is needed to authenticate the sender. Also never throws because of the content.
   *
   * @param mail without the fields that this server adds
   * @returns undefined if the message cannot be read in time, or within the memory of the thread
   * @throws as `parse`
   */
  readEvidence(mail: UncheckedMail): Promise<SenderEvidence | undefined>
  /** Refuses the messages that wait, and finishes those that are being parsed, unless that takes too long, or longer than `graceMs`. */
  stop(graceMs?: number): Promise<void>
}

interface MailParserNeeds {
  readonly limits: Limits
  readonly threads: ParseThreads
  readonly log: Log
  readonly metrics: Metrics
}

export function createMailParser({ limits, threads, log, metrics }: MailParserNeeds): MailParser {
  const { smallBytesMax, smallTimeoutMs, timeoutMs, idleMs, largeNiceLevels } = limits.parsing
  const createSmallWorker = () =>
    createParseWorker({ limits, threads, niceLevels: 0, timeoutMs: smallTimeoutMs, idleMs })
  const smallWorker = createSmallWorker()
  const furtherWorkers = Array.from({ length: limits.parsing.smallThreadsMax - 1 }, createSmallWorker)
  const largeWorker = createParseWorker({ limits, threads, niceLevels: largeNiceLevels, timeoutMs, idleMs })
  const batches = createParseBatches(limits, smallWorker, ...furtherWorkers)
  const queue = createTurnQueue({
    waitingMax: limits.parsing.waitingMax,
    waitingPerKeyMax: limits.parsing.waitingPerSenderMax,
    waitMs: limits.parsing.waitMs,
    full: () => new MailError('parse_queue_full', {}),
  })
  /** Senders whose small messages are parsed like large ones, until a time of `performance.now()`. */
  const suspects = new Map<string, number>()

  return {
    expectMail: () => smallWorker.start(),

    parse: (mail) =>
      run(mail.findsCodes ? 'parse' : 'parseWithoutCodes', mail, async ({ reason: cause }) => {
        metrics.messagesParsedInPart.inc({ cause })
        return headerOnly(mail, limits)
      }),

    readEvidence: (mail) => run('readEvidence', mail, async () => undefined),

    async stop(graceMs = timeoutMs) {
      // Time on the clock, not CPU time: the listeners have closed their connections, so no sender waits for a message that is still in a thread.
      await waitAtMost(Math.min(graceMs, timeoutMs), Promise.all([batches.stop(), queue.stop()]))
      await Promise.all([smallWorker, ...furtherWorkers, largeWorker].map((worker) => worker.end()))
    },
  }

  function isSuspect(fairnessKey: string): boolean {
    if (suspects.size === 0) return false
    const now = performance.now()
    for (const [each, until] of suspects) if (until <= now) suspects.delete(each)
    return suspects.has(fairnessKey)
  }

  /** @param giveUp returns the result for a message that ends the thread, also alone */
  async function run<T extends ParseTask, Other>(
    task: T,
    mail: UncheckedMail,
    giveUp: (error: ThreadEnded) => Promise<Other>,
  ): Promise<TaskResults[T] | Other> {
    const { fairnessKey, sizeBytes, file } = mail
    const load = () => whenReady(mail.load(), (loaded) => ({ task, ...loaded }))
    if (sizeBytes <= smallBytesMax && !isSuspect(fairnessKey)) {
      try {
        return (await batches.run(sizeBytes, load)) as TaskResults[T]
      } catch (error) {
        if (!(error instanceof ThreadEnded)) throw error
        log.warn({ err: error, cause: error.reason, fairnessKey, sizeBytes }, 'a small message ended the parse thread')
        suspects.set(fairnessKey, performance.now() + limits.parsing.keyPauseMs)
      }
    }
    return queue.run(mail, async () => {
      const loaded = file === undefined ? await load() : { task, file, sizeBytes }
      try {
        return (await largeWorker.run([loaded]))[0] as TaskResults[T]
      } catch (error) {
        if (!(error instanceof ThreadEnded)) throw error
        const { reason: cause } = error
        // Also if the machine was the cause: the message has occupied the thread all the same.
        if (cause !== 'start') queue.pauseKey(fairnessKey, limits.parsing.keyPauseMs)
        if (!error.blamesMessage) throw new MailError('unavailable', {}, { cause: error })
        log.warn({ err: error, cause, fairnessKey, sizeBytes }, GIVEN_UP[task])
        return giveUp(error)
      }
    })
  }
}

/** The other tasks are those of mail-reader.ts. */
type ParseTask = Extract<Task, 'parse' | 'parseWithoutCodes' | 'readEvidence'>

const GIVEN_UP: Readonly<Record<ParseTask, string>> = {
  parse: 'only the header of a message was read',
  parseWithoutCodes: 'only the header of a message was read',
  readEvidence: 'the signatures of a message were not read',
}

/** Reads the message in chunks, each in a turn of the event loop of its own: hashing 50 MiB at once would take 30 to 60 ms. */
async function headerOnly({ ownBytes, chunks }: UnparsedMail, limits: Limits): Promise<ParsedMail> {
  const reader = chunks()[Symbol.asyncIterator]()
  try {
    return await readHeaderAndHash(reader, ownBytes, limits)
  } finally {
    await reader.return?.() // after an error, its file is still open
  }
}

async function readHeaderAndHash(
  reader: AsyncIterator<Uint8Array>,
  ownBytes: number,
  { parsing }: Limits,
): Promise<ParsedMail> {
  const read: Uint8Array[] = []
  let readBytes = 0
  let next = await reader.next()
  for (; !next.done && readBytes < ownBytes + HEADER_BYTES_MAX; next = await reader.next()) {
    read.push(next.value)
    readBytes += next.value.length
  }
  const begin = Buffer.concat(read)
  const { headers, fingerprint, bodyOffset, ...fields } = readHeaderOnly(begin, ownBytes)
  const hash = createHash('sha256').update(begin.subarray(bodyOffset))
  for (; !next.done; next = await reader.next()) hash.update(next.value)
  return {
    ...fields,
    bodyOffset,
    contentType: 'text/plain',
    attachments: [],
    fingerprint: fingerprint(hash.digest()),
    verification: { codes: [], links: [] },
    compressedBodies: compressBodies({ headers, isTruncated: true }),
    searchText: packContentText({ addresses: headerAddresses(fields), body: '' }, parsing.searchTextCharsMax),
  }
}
