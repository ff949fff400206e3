/**
 * Reads what mail programs ask of large messages, in a thread of its own: the event loop would stand still for seconds, and the threads that
 * parse mail (mail-parser.ts) must not wait for readers. One message at a time, round robin over the organizations that ask: it is in
 * memory only during its turn.
 *
 *   waits for its turn → loaded → thread → result
 *     ↓ it has ended the thread, by its time or its memory
 *   what can be said without reading it, so that a client gets an answer; callers remember that, so that no thread ends twice
 *
 * Crash of the process: clients ask again.
 * Stop: what waits is refused, and what runs is finished.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { EMPTY_ENVELOPE } from '../../../formats/imap/read-structure.ts'
import type { Log } from '../../../log.ts'
import { createTurnQueue, type Turn } from '../../jobs/turn-queue.ts'
import { type HeadTexts, type PackedTexts, type StructureTexts, structureOfOpaque } from './message-structure.ts'
import { createParseWorker, type ParseThreads, type Task, type TaskResults, ThreadEnded } from './parse-worker.ts'

/** A stored message. */
export interface ReadMail extends Turn {
  readonly contentId: string
  readonly sizeBytes: number
  /** Returns bytes [0, end) in memory that no one else uses. Called when its turn comes. */
  load(end: number): Promise<Uint8Array>
}

export interface MailReader {
  /**
   * Of a message that ends the thread, the structure is that of one file.
   *
   * @throws read_queue_full, shutting_down; unavailable when no thread can be started; what `load` throws
   */
  readStructure(mail: ReadMail): Promise<StructureTexts>
  /** @returns undefined: it has ended the thread @throws as `readStructure` */
  readTexts(mail: ReadMail): Promise<PackedTexts | undefined>
  stop(): Promise<void>
}

interface MailReaderNeeds {
  readonly limits: Limits
  readonly threads: ParseThreads
  readonly log: Log
}

/** So much is read of the header of a message that has ended the thread. */
const HEAD_BYTES_MAX = 64 * 1024

export function createMailReader({ limits, threads, log }: MailReaderNeeds): MailReader {
  const { timeoutMs, idleMs } = limits.parsing
  const worker = createParseWorker({ limits, threads, timeoutMs, idleMs })
  const queue = createTurnQueue({
    waitingMax: limits.mailboxes.readsWaitingMax,
    waitingPerKeyMax: limits.mailboxes.readsPerOrganizationMax,
    waitMs: limits.mailboxes.readWaitMs,
    full: () => new MailError('read_queue_full', {}),
  })

  return {
    readStructure: (mail) =>
      queue.run(mail, async () => {
        const structure = await attempt('readStructure', mail)
        if (structure) return structure
        const head: HeadTexts = (await attempt('readHead', mail, HEAD_BYTES_MAX)) ?? {
          envelope: EMPTY_ENVELOPE,
          bodyStart: Math.min(HEAD_BYTES_MAX, mail.sizeBytes),
        }
        return structureOfOpaque(head, mail.sizeBytes)
      }),

    readTexts: (mail) => queue.run(mail, () => attempt('readTexts', mail)),

    async stop() {
      await queue.stop()
      await worker.end()
    },
  }

  /** @returns undefined if the message ends the thread */
  async function attempt<T extends Task>(
    task: T,
    mail: ReadMail,
    bytesMax = mail.sizeBytes,
  ): Promise<TaskResults[T] | undefined> {
    const bytes = await mail.load(Math.min(mail.sizeBytes, bytesMax))
    try {
      return (await worker.run([{ task, bytes, isOwned: true }]))[0] as TaskResults[T]
    } catch (error) {
      if (!(error instanceof ThreadEnded)) throw error
      const { reason: cause } = error
      if (cause === 'start') throw new MailError('unavailable', {}, { cause: error })
      const { contentId, sizeBytes, fairnessKey } = mail
      log.warn(
        { err: error, cause, task, contentId, sizeBytes, fairnessKey },
        'a message could not be read for a mail program',
      )
      return undefined
    }
  }
}
