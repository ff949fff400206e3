/**
 * Has small messages read in threads (`Task` in parse-worker.ts), in the order in which they arrived: all that wait, up to a limit, in one batch. A
 * batch costs the event loop two messages to and from its thread, however many it contains. No message waits for others:
 * while a thread is idle, what has arrived in this turn of the event loop is a batch.
 *
 * Many messages that wait are divided among the threads that are idle. The first thread suffices until then, so the others
 * start only when so many wait, and get messages only when they have started (docs/adr/0096).
 *
 * When a message ends its thread, only its call rejects; the other messages of its batch are parsed again.
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
  run(sizeBytes: number, load: () => LoadedTask | Promise<LoadedTask>): Promise<TaskResult>
  /** Refuses all messages that wait. Resolves when those of the current batches are parsed. */
  stop(): Promise<void>
}

type BatchWorker = Pick<ParseWorker, 'start' | 'isReady' | 'run'>

interface WaitingMail {
  readonly sizeBytes: number
  load(): LoadedTask | Promise<LoadedTask>
  resolve(result: TaskResult): void
  reject(error: unknown): void
}

/** @param first  starts whenever there is a message */
export function createParseBatches(
  limits: Limits,
  first: BatchWorker,
  ...others: readonly BatchWorker[]
): ParseBatches {
  let waiting: WaitingMail[] = []
  let isPlanned = false
  let isStopped = false
  const running = new Map<BatchWorker, Promise<void>>()

  return {
    run: (sizeBytes, load) =>
      new Promise((resolve, reject) => {
        if (isStopped) throw new MailError('shutting_down', {})
        if (waiting.length >= limits.parsing.smallWaitingMax) throw new MailError('parse_queue_full', {})
        waiting.push({ sizeBytes, load, resolve, reject })
        planBatches()
      }),

    async stop() {
      isStopped = true
      for (const each of waiting) each.reject(new MailError('shutting_down', {}))
      waiting = []
      // After a batch whose message ended its thread, the other messages form another batch.
      while (running.size > 0) await Promise.all(running.values())
    },
  }

  function planBatches(): void {
    if (isPlanned) return
    isPlanned = true
    // Other sockets of this turn of the event loop may have a message, too.
    setImmediate(() => {
      isPlanned = false
      outsideUnits(fillWorkers)
    })
  }

  function fillWorkers(): void {
    const areMany = waiting.length >= limits.parsing.dividedMin
    const idle = idleWorkers()
    for (const [index, worker] of idle.entries()) {
      if (waiting.length === 0) break
      const batch = takeBatch(areMany ? Math.ceil(waiting.length / (idle.length - index)) : waiting.length)
      const parsed = parseBatch(worker, batch).finally(() => {
        running.delete(worker)
        fillWorkers()
      })
      running.set(worker, parsed)
    }
    if (areMany) startOthers()
  }

  function startOthers(): void {
    try {
      for (const worker of others) worker.start()
    } catch {
      // The system has no more threads now: those that exist parse all messages.
    }
  }

  /** Those that have started; or the first one, for which the batch waits if it has not. */
  function idleWorkers(): BatchWorker[] {
    const idle = [first, ...others].filter((worker) => !running.has(worker))
    const started = idle.filter((worker) => worker.isReady())
    return started.length > 0 ? started : idle.filter((worker) => worker === first)
  }

  function takeBatch(most: number): WaitingMail[] {
    const countMax = Math.min(most, limits.parsing.batchMax)
    let bytes = 0
    let count = 0
    for (const { sizeBytes } of waiting) {
      bytes += sizeBytes
      if (count > 0 && (count >= countMax || bytes > limits.parsing.batchBytesMax)) break
      count += 1
    }
    return waiting.splice(0, count)
  }

  async function parseBatch(worker: BatchWorker, batch: readonly WaitingMail[]): Promise<void> {
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
      const loading = mail.load()
      loaded.push(loading instanceof Promise ? await loading : loading)
      mails.push(mail)
    } catch (error) {
      mail.reject(error)
    }
  }
  return [mails, loaded]
}
