/**
 * Has small messages read in a thread (`Task` in parse-worker.ts), in the order in which they arrived: all that wait, up to a limit, in one batch. A
 * batch costs the event loop two messages to and from the thread, however many it contains. No message waits for others:
 * while the thread is idle, what has arrived in this turn of the event loop is a batch.
 *
 * When a message ends the thread, only its call rejects; the other messages of its batch are parsed again.
 *
 * Crash: the queue is in memory only, and its messages were not acknowledged: their senders send them again.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { outsideUnits } from '../../../fault-boundary.ts'
import { type LoadedTask, type ParseWorker, type TaskResult, ThreadEnded } from './parse-worker.ts'

export interface ParseBatches {
  /**
   * @param load returns the message. Called when it is in the next batch
   * @throws ThreadEnded when this message ended the thread; parse_queue_full, shutting_down; unavailable when no thread
   *   can be started; what `load` throws
   */
  run(sizeBytes: number, load: () => Promise<LoadedTask>): Promise<TaskResult>
  /** Refuses all messages that wait. Resolves when those of the current batch are parsed. */
  stop(): Promise<void>
}

interface WaitingMail {
  readonly sizeBytes: number
  load(): Promise<LoadedTask>
  resolve(result: TaskResult): void
  reject(error: unknown): void
}

export function createParseBatches(limits: Limits, worker: Pick<ParseWorker, 'run'>): ParseBatches {
  let waiting: WaitingMail[] = []
  let running: Promise<void> | undefined
  let isStopped = false

  return {
    run: (sizeBytes, load) =>
      new Promise((resolve, reject) => {
        if (isStopped) throw new MailError('shutting_down', {})
        if (waiting.length >= limits.parsing.smallWaitingMax) throw new MailError('parse_queue_full', {})
        waiting.push({ sizeBytes, load, resolve, reject })
        begin()
      }),

    async stop() {
      isStopped = true
      for (const each of waiting) each.reject(new MailError('shutting_down', {}))
      waiting = []
      await running
    },
  }

  function begin(): void {
    running ??= outsideUnits(parseAll).finally(() => {
      running = undefined
      if (waiting.length > 0) begin()
    })
  }

  async function parseAll(): Promise<void> {
    // Other sockets of this turn of the event loop may have a message, too.
    await new Promise(setImmediate)
    while (waiting.length > 0) await parseBatch(takeBatch())
  }

  function takeBatch(): WaitingMail[] {
    let bytes = 0
    let count = 0
    for (const { sizeBytes } of waiting) {
      bytes += sizeBytes
      if (count > 0 && (count >= limits.parsing.batchMax || bytes > limits.parsing.batchBytesMax)) break
      count += 1
    }
    return waiting.splice(0, count)
  }

  async function parseBatch(batch: readonly WaitingMail[]): Promise<void> {
    const [mails, loaded] = await loadAll(batch)
    if (mails.length === 0) return
    try {
      const results = await worker.run(loaded)
      for (const [index, mail] of mails.entries()) mail.resolve(results[index]!)
    } catch (error) {
      if (error instanceof ThreadEnded && error.blamesMessage) {
        mails[error.index]!.reject(error)
        waiting.unshift(...mails.toSpliced(error.index, 1))
      } else {
        for (const mail of mails) mail.reject(new MailError('unavailable', {}, { cause: error }))
      }
    }
  }
}

/** Returns the messages that could be loaded, and what was loaded. The calls of the others reject. */
async function loadAll(batch: readonly WaitingMail[]): Promise<[WaitingMail[], LoadedTask[]]> {
  const mails: WaitingMail[] = []
  const loaded: LoadedTask[] = []
  for (const mail of batch) {
    try {
      loaded.push(await mail.load())
      mails.push(mail)
    } catch (error) {
      mail.reject(error)
    }
  }
  return [mails, loaded]
}
