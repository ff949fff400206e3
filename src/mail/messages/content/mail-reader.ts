/**
 * Reads what mail programs ask of large messages, in a thread of its own: the event loop would stand still for seconds, and the threads that
 * parse mail (mail-parser.ts) must not wait for readers. One message at a time, round robin over the organizations that ask: its bytes are in
 * memory only during its turn, its texts until they are compared. The thread has the low priority of the one that parses large messages
 * (docs/adr/0088): a client that searches large messages must not slow down the server for others.
 *
 *   waits for its turn → loaded → thread → result
 *     ↓ it has ended the thread by its time, or by an error: once more, in a fresh thread, because the machine may have been busy
 *     ↓ it has ended the thread again, or by its memory
 *   what can be said without reading it, so that a client gets an answer. It is not tried again for a while (unreadable-mail.ts), and its
 *   organization waits before its next turn
 *
 * Crash of the process: clients ask again.
 * Stop: what waits is refused, and what runs is finished, or refused when that takes `limits.parsing.timeoutMs`.
 */
import type { Limits } from '../../../config/limits.ts'
import { waitAtMost } from '../../../deadline.ts'
import { MailError } from '../../../errors.ts'
import { EMPTY_ENVELOPE, readMessageHead } from '../../../formats/imap/read-structure.ts'
import type { Log } from '../../../log.ts'
import { createTurnQueue, type Turn } from '../../jobs/turn-queue.ts'
import { type HeadTexts, type PackedTexts, type StructureTexts, structureOfOpaque } from './message-structure.ts'
import { createParseWorker, type ParseThreads, type Task, type TaskResults, ThreadEnded } from './parse-worker.ts'
import { UnreadableMail } from './unreadable-mail.ts'

/** A stored message. */
export interface ReadMail extends Turn {
  readonly contentId: string
  readonly sizeBytes: number
  /** Aborts when the caller no longer waits: the message leaves the queue, and is not given to the thread any more. */
  readonly signal?: AbortSignal | undefined
  /** Returns bytes [0, end) in memory that no one else uses. Called when its turn comes. */
  load(end: number): Promise<Uint8Array>
}

export interface ReadStructure {
  readonly structure: StructureTexts
  /**
   * `memory`: the structure is that of one file, because reading the message takes more memory than a thread may have, whenever it is tried.
   * `failed`: the same for now, because of the time that it took, or of an error. Another time, or another node, may read it.
   */
  readonly outcome: 'read' | 'memory' | 'failed'
}

export interface MailReader {
  /**
   * @throws read_queue_full, shutting_down; unavailable when no thread can be started, or it gets too little CPU time; the reason of the signal;
   *   what `load` throws
   */
  readStructure(mail: ReadMail): Promise<ReadStructure>
  /** @returns undefined: it has ended the thread, now or a while ago @throws as `readStructure` */
  readTexts(mail: ReadMail): Promise<PackedTexts | undefined>
  /** Finishes what is being read, unless that takes too long, or longer than `graceMs`. */
  stop(graceMs?: number): Promise<void>
}

interface MailReaderNeeds {
  readonly limits: Limits
  readonly threads: ParseThreads
  readonly log: Log
}

export function createMailReader({ limits, threads, log }: MailReaderNeeds): MailReader {
  const { timeoutMs, idleMs, keyPauseMs, mimeHeaderBytesMax, largeNiceLevels } = limits.parsing
  const worker = createParseWorker({ limits, threads, niceLevels: largeNiceLevels, timeoutMs, idleMs })
  const queue = createTurnQueue({
    waitingMax: limits.mailboxes.readsWaitingMax,
    waitingPerKeyMax: limits.mailboxes.readsPerOrganizationMax,
    waitMs: limits.mailboxes.readWaitMs,
    full: () => new MailError('read_queue_full', {}),
  })
  const withoutStructure = new UnreadableMail<ReadStructure>(limits)
  const withoutTexts = new UnreadableMail<true>(limits)

  return {
    async readStructure(mail) {
      const known = () => withoutStructure.get(mail.contentId)
      // Again when its turn comes: others may have asked for the same message.
      return known() ?? queue.run(mail, async () => known() ?? readStructure(mail), mail.signal)
    },

    async readTexts(mail) {
      const isKnown = () => withoutTexts.get(mail.contentId) === true
      if (isKnown()) return undefined
      return queue.run(mail, async () => (isKnown() ? undefined : readTexts(mail)), mail.signal)
    },

    async stop(graceMs = timeoutMs) {
      await waitAtMost(Math.min(graceMs, timeoutMs), queue.stop())
      await worker.end()
    },
  }

  async function readStructure(mail: ReadMail): Promise<ReadStructure> {
    const structure = await readOrRetry('readStructure', mail)
    if (!(structure instanceof ThreadEnded)) return { structure, outcome: 'read' }
    const opaque = structureOfOpaque(await readHead(mail), mail.sizeBytes)
    if (structure.reason === 'memory') return { structure: opaque, outcome: 'memory' }
    const failed: ReadStructure = { structure: opaque, outcome: 'failed' }
    withoutStructure.add(mail.contentId, failed, opaque.envelope.length)
    return failed
  }

  async function readTexts(mail: ReadMail): Promise<PackedTexts | undefined> {
    const texts = await readOrRetry('readTexts', mail)
    if (!(texts instanceof ThreadEnded)) return texts
    withoutTexts.add(mail.contentId, true, 0)
    return undefined
  }

  async function readHead(mail: ReadMail): Promise<HeadTexts> {
    // The same limit as that of FETCH for headers: both must agree where the header ends.
    const sizeBytes = Math.min(mail.sizeBytes, mimeHeaderBytesMax)
    const head = await attempt('readHead', mail, sizeBytes)
    if (!(head instanceof ThreadEnded)) return head
    const { buffer, byteOffset, byteLength } = await mail.load(sizeBytes)
    return { ...readMessageHead(Buffer.from(buffer, byteOffset, byteLength)), envelope: EMPTY_ENVELOPE }
  }

  /** @returns the error if the message ends the thread twice, or by its memory: it would need as much again */
  async function readOrRetry<T extends Task>(task: T, mail: ReadMail): Promise<TaskResults[T] | ThreadEnded> {
    const first = await attempt(task, mail)
    return first instanceof ThreadEnded && first.reason !== 'memory' ? attempt(task, mail) : first
  }

  /** @returns the error if the message ends the thread */
  async function attempt<T extends Task>(
    task: T,
    mail: ReadMail,
    sizeBytes = mail.sizeBytes,
  ): Promise<TaskResults[T] | ThreadEnded> {
    mail.signal?.throwIfAborted()
    const bytes = await mail.load(sizeBytes)
    mail.signal?.throwIfAborted()
    try {
      return (await worker.run([{ task, bytes, isOwned: true }]))[0] as TaskResults[T]
    } catch (error) {
      if (!(error instanceof ThreadEnded)) throw error
      const { reason: cause } = error
      const { contentId, fairnessKey } = mail
      if (cause !== 'start' && cause !== 'error') queue.pauseKey(fairnessKey, keyPauseMs)
      if (!error.blamesMessage) throw new MailError('unavailable', {}, { cause: error })
      log.warn(
        { err: error, cause, task, contentId, sizeBytes: mail.sizeBytes, fairnessKey },
        'a message could not be read for a mail program',
      )
      return error
    }
  }
}
