/**
 * Parses messages in two worker threads: small messages in batches (parse-batches.ts), large ones one at a time, round
 * robin over their senders (jobs/turn-queue.ts). So a large message delays no small one. No message is parsed on the event
 * loop, because one that takes long, or all memory, would stop every connection.
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
 * Stop: messages that wait are refused, those in a thread are finished.
 */
import { webcrypto } from 'node:crypto'
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { readHeaderOnly } from '../../../formats/mime/header-only.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import { createTurnQueue, type Turn } from '../../jobs/turn-queue.ts'
import { compressBodies } from './compressed-bodies.ts'
import { createParseBatches } from './parse-batches.ts'
import { createParseWorker, type LoadedMail, type ParseThreads, ThreadEnded } from './parse-worker.ts'
import type { ParsedMail } from './parsed-message.ts'

/** A message to parse, and who sends it: large messages are parsed round robin over senders. */
export interface UnparsedMail extends Turn {
  readonly sizeBytes: number
  /** How many bytes at its start this server has added. */
  readonly ownBytes: number
  /**
   * Returns the message. Called when it is parsed, at most three times: messages that wait need not occupy memory.
   */
  load(): Promise<LoadedMail>
}

export interface MailParser {
  /** Call it when a message begins to arrive. The thread then starts, if necessary, while the bytes arrive. */
  expectMail(): void
  /**
   * Never throws because of the content of a message.
   *
   * @throws parse_queue_full, shutting_down; unavailable when no thread can be started; what `load` throws
   */
  parse(mail: UnparsedMail): Promise<ParsedMail>
  /** Refuses the messages that wait, and finishes those that are being parsed. */
  stop(): Promise<void>
}

interface MailParserNeeds {
  readonly limits: Limits
  readonly threads: ParseThreads
  readonly log: Log
  readonly metrics: Metrics
}

export function createMailParser({ limits, threads, log, metrics }: MailParserNeeds): MailParser {
  const { smallBytesMax, smallTimeoutMs, timeoutMs, idleMs } = limits.parsing
  const smallWorker = createParseWorker({ limits, threads, timeoutMs: smallTimeoutMs, idleMs })
  const largeWorker = createParseWorker({ limits, threads, timeoutMs, idleMs })
  const batches = createParseBatches(limits, smallWorker)
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

    async parse(mail) {
      const { fairnessKey, sizeBytes } = mail
      if (sizeBytes <= smallBytesMax && !isSuspect(fairnessKey)) {
        try {
          return await batches.parse(sizeBytes, mail.load)
        } catch (error) {
          if (!(error instanceof ThreadEnded)) throw error
          log.warn(
            { err: error, cause: error.reason, fairnessKey, sizeBytes },
            'a small message ended the parse thread',
          )
          suspects.set(fairnessKey, performance.now() + limits.parsing.keyPauseMs)
        }
      }
      return queue.run(mail, () => parseAlone(mail))
    },

    async stop() {
      await Promise.all([batches.stop(), queue.stop()])
      await Promise.all([smallWorker.end(), largeWorker.end()])
    },
  }

  function isSuspect(fairnessKey: string): boolean {
    if (suspects.size === 0) return false
    const now = performance.now()
    for (const [each, until] of suspects) if (until <= now) suspects.delete(each)
    return suspects.has(fairnessKey)
  }

  async function parseAlone(mail: UnparsedMail): Promise<ParsedMail> {
    const loaded = await mail.load()
    try {
      const [parsed] = await largeWorker.parse([loaded])
      return parsed!
    } catch (error) {
      if (!(error instanceof ThreadEnded)) throw error
      const { reason: cause } = error
      if (cause === 'start') throw new MailError('unavailable', {}, { cause: error })
      const { fairnessKey, sizeBytes } = mail
      queue.pauseKey(fairnessKey, limits.parsing.keyPauseMs)
      metrics.messagesParsedInPart.inc({ cause })
      log.warn({ err: error, cause, fairnessKey, sizeBytes }, 'only the header of a message was read')
      return headerOnly(mail, await mail.load())
    }
  }
}

async function headerOnly({ ownBytes }: UnparsedMail, { bytes }: LoadedMail): Promise<ParsedMail> {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { headers, fingerprint, ...fields } = readHeaderOnly(raw, ownBytes)
  return {
    ...fields,
    contentType: 'text/plain',
    attachments: [],
    fingerprint: fingerprint(await sha256(raw.subarray(fields.bodyOffset))),
    verification: { codes: [], links: [] },
    compressedBodies: compressBodies({ headers, isTruncated: true }),
  }
}

/** In the thread pool, because the message may be large. */
async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await webcrypto.subtle.digest('SHA-256', bytes))
}
