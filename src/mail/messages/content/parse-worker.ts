/**
 * One worker thread that reads messages, in batches: it parses them, reads who claims to have written them, or reads what
 * mail programs ask for. mail-parser.ts has one or two for small messages and one for large ones; mail-reader.ts has another one.
 *
 *   bytes of the batch, in one piece of memory → thread → JSON of the parsed messages, and their bodies in one piece
 *
 * Both pieces change hands without a copy. A large message is read by the thread, from its file: its bytes made V8 collect
 * garbage on the event loop. The thread notes in shared memory that it has the messages of its batch, and how many of them it
 * has parsed. So when it ends, or one message takes too long, it is known which message that was; or that it was none, because the
 * thread was waiting for the disk.
 *
 * The time of a message is CPU time of the thread, where the system counts it (thread-scheduling.ts): on a busy machine, a thread with a low
 * priority waits for a core most of the time, and that is not the fault of its message. On the clock there is another, longer limit, at which the
 * message is refused for now: `limits.parsing.stalledMs`.
 *
 * Crash of the thread: `parse` rejects with ThreadEnded, and the next batch gets a new thread. The heap limit ends only
 * the thread, because no parser needs one large allocation: see `bodyBytesMax` in formats/mime/mime-parse.ts and
 * compressed-bodies.ts.
 * Stop: `end` terminates the thread at once, and its batch is refused; callers first wait for their batch, for a while.
 */
import { strict as assert } from 'node:assert'
import type { Worker } from 'node:worker_threads'
import { MIB } from '../../../config/limits/limit.ts'
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { outsideUnits } from '../../../fault-boundary.ts'
import type { SenderEvidence } from '../../../formats/dkim/sender-evidence.ts'
import { schedulingOf } from '../../../thread-scheduling.ts'
import { startThread } from '../../../worker-threads.ts'
import type { HeadTexts, PackedTexts, StructureTexts } from './message-structure.ts'
import type { ParsedMail } from './parsed-message.ts'

/** What a thread reads from a message, by the name of the task. */
export interface TaskResults {
  readonly parse: ParsedMail
  /** The same without codes and links: they are searched for when the message is shown. */
  readonly parseWithoutCodes: ParsedMail
  /** Reads a message without the fields that this server adds. */
  readonly readEvidence: SenderEvidence
  readonly readStructure: StructureTexts
  /** Reads the beginning of a message. */
  readonly readHead: HeadTexts
  readonly readTexts: PackedTexts
}

export type Task = keyof TaskResults
export type TaskResult = TaskResults[Task]

/** A message in memory. */
export interface LoadedMail {
  readonly bytes: Uint8Array
  /** No one else uses this memory, so the thread may take it over. */
  readonly isOwned: boolean
}

/** What to read, and where it is: in memory, or in a file, which the thread reads. */
export type LoadedTask = { readonly task: Task } & (LoadedMail | { readonly file: string; readonly sizeBytes: number })

export interface ParseWorker {
  /** Starts a thread if there is none: a message is about to arrive. */
  start(): void
  /** Whether the thread has started and waits for a batch. */
  isReady(): boolean
  /**
   * Reads messages in this order. There must be only one call at a time. A message in a file must be alone.
   *
   * @returns one result per message
   * @throws ThreadEnded, also when a file is not read in time; unavailable when it cannot be read; shutting_down after `end`
   */
  run(mails: readonly LoadedTask[]): Promise<TaskResult[]>
  end(): Promise<void>
}

/** A message gets at most a quarter more time than its limit. */
const CHECKS_PER_TIMEOUT = 4

/** A thread that runs parse-worker.thread.ts. */
export interface ParseThread {
  readonly worker: Worker
  /** See PROGRESS. */
  readonly progress: Int32Array
}

/** Starts and ends the threads. */
export interface ParseThreads {
  /** @param niceLevels by how much its priority is lower than that of this process */
  start(limits: Pick<Limits, 'parsing'>, niceLevels: number): ParseThread
  /** Ends a thread that parses nothing, and that nobody listens to. */
  end(thread: ParseThread): Promise<unknown>
}

export const parseThreads: ParseThreads = {
  start(limits, niceLevels) {
    const progress = createProgress()
    const workerData: ParseThreadData = { limits: { parsing: limits.parsing }, niceLevels, progress }
    const resourceLimits = {
      maxOldGenerationSizeMb: Math.ceil(limits.parsing.heapBytesMax / MIB),
      maxYoungGenerationSizeMb: Math.ceil(limits.parsing.youngHeapBytesMax / MIB),
    }
    const worker = startThread(import.meta.url, './parse-worker.thread.ts', { workerData, resourceLimits })
    worker.unref() // an idle thread must not keep the process alive; while a caller waits, its socket does
    worker.on('error', () => undefined) // without a listener it would be an error of this thread; "exit" follows
    return { worker, progress }
  },
  end: ({ worker }) => worker.terminate(),
}

interface ParseWorkerNeeds {
  readonly limits: Limits
  readonly threads: ParseThreads
  /** See ParseThreads. */
  readonly niceLevels: number
  /** CPU time for one message; time on the clock where the system does not count CPU time. */
  readonly timeoutMs: number
  /** After this time without a message, the thread ends. */
  readonly idleMs: number
}

/** The thread ended before it had parsed a batch. */
export class ThreadEnded extends Error {
  override readonly name = 'ThreadEnded'
  /**
   * `start`: before it had a message to parse, because it did not start or read the file (in time). `stalled`: it got too little CPU time to
   * parse one. Neither is the fault of a message.
   */
  readonly reason: 'start' | 'stalled' | 'time' | 'memory' | 'error'
  /** The message that was being parsed. */
  readonly index: number
  constructor(reason: ThreadEnded['reason'], index: number, cause: unknown) {
    super('the parse thread ended', { cause })
    this.reason = reason
    this.index = index
  }

  get blamesMessage(): boolean {
    return this.reason !== 'start' && this.reason !== 'stalled'
  }
}

/** `workerData` of the thread. */
export interface ParseThreadData {
  readonly limits: Pick<Limits, 'parsing'>
  readonly niceLevels: number
  /** Shared with the thread, which alone writes it: see PROGRESS. */
  readonly progress: Int32Array
}

/**
 * Elements of `progress`: the number of the batch that the thread has in memory, how many of its messages are parsed, the number that the
 * system has given to the thread, and 1 when it has started.
 */
export const PROGRESS = { batch: 0, parsedCount: 1, threadId: 2, isReady: 3 } as const

export function createProgress(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(Object.keys(PROGRESS).length * Int32Array.BYTES_PER_ELEMENT))
}

/** To the thread: the messages of a batch, one after the other. */
export interface ParseBatch {
  readonly number: number
  /** One per message. */
  readonly tasks: readonly Task[]
  /** Contains the only message; undefined: they are in `bytes`. */
  readonly file: string | undefined
  readonly bytes: Uint8Array
  readonly sizes: readonly number[]
}

/** From the thread: the JSON of all results without the bytes of their bodies, and these bytes. */
export interface ParsedBatch {
  readonly json: string
  readonly bytes: Uint8Array
  readonly sizes: readonly number[]
}

/** From the thread instead: why the file could not be read. */
export interface UnreadableFile {
  readonly fileError: Error
}

type Lateness = Extract<ThreadEnded['reason'], 'start' | 'stalled' | 'time'>

const TOO_LONG: Readonly<Record<Lateness, string>> = {
  start: 'the thread took too long to start, or to read the file of the message',
  stalled: 'the thread got too little CPU time to parse the message',
  time: 'the thread took too long to parse the message',
}

/** At which message the thread was seen, and when. */
interface Sighting {
  readonly parsedCount: number
  /** A time of `performance.now()`. */
  readonly clockMs: number
  /** CPU time of the thread until then; undefined: it is not known. */
  readonly cpuMs: number | undefined
}

/** The batch in the thread. */
interface RunningBatch {
  resolve(parsed: ParsedBatch): void
  reject(error: unknown): void
}

export function createParseWorker({ limits, threads, niceLevels, timeoutMs, idleMs }: ParseWorkerNeeds): ParseWorker {
  let thread: ParseThread | undefined
  /** That of the thread, or of the last one. */
  let progress: Int32Array = new Int32Array(0)
  /** Stops listening to the thread. */
  let detach: () => void = () => undefined
  let running: RunningBatch | undefined
  let batchNumber = 0
  let idleTimer: NodeJS.Timeout | undefined

  return {
    start() {
      if (running) return
      requireThread()
      endLater()
    },

    isReady: () => thread !== undefined && !running && Atomics.load(thread.progress, PROGRESS.isReady) === 1,

    async run(mails) {
      assert(!running, 'the thread parses one batch at a time')
      const current = requireThread()
      batchNumber += 1
      const batch = packBatch(batchNumber, mails)
      const answer = new Promise<ParsedBatch>((resolve, reject) => {
        running = { resolve, reject }
      })
      current.worker.postMessage(batch, [batch.bytes.buffer as ArrayBuffer])
      const watch = watchProgress(current, mails.length)
      try {
        return unpackBatch(await answer, batch.tasks)
      } catch (cause) {
        if (cause instanceof MailError) throw cause
        const index = Math.max(0, Math.min(parsedCount(), mails.length - 1))
        throw new ThreadEnded(watch.lateness() ?? reasonOf(cause), index, cause)
      } finally {
        watch.end()
        endLater()
      }
    },

    async end() {
      clearTimeout(idleTimer)
      idleTimer = undefined
      await endThread()
    },
  }

  function requireThread(): ParseThread {
    thread ??= outsideUnits(startParseThread)
    return thread
  }

  /** Ends the thread when it has had no message for `idleMs` from now on. */
  function endLater(): void {
    // Each message gets here: a new timer takes several times as long.
    idleTimer =
      idleTimer?.refresh() ?? outsideUnits(() => setTimeout(() => !running && void endThread(), idleMs)).unref()
  }

  async function endThread(): Promise<void> {
    const ended = thread
    if (!ended) return
    if (running) {
      fail(ended, new MailError('shutting_down', {}))
      await ended.worker.terminate()
      return
    }
    thread = undefined // a message that arrives before its exit gets another one
    detach()
    await threads.end(ended)
  }

  function startParseThread(): ParseThread {
    const started = threads.start(limits, niceLevels)
    progress = started.progress
    const onEnd = (cause: unknown) => fail(started, cause)
    const { worker } = started
    worker.on('message', settle)
    for (const event of ['error', 'exit']) worker.on(event, onEnd)
    detach = () => {
      worker.off('message', settle)
      for (const event of ['error', 'exit']) worker.off(event, onEnd)
    }
    return started
  }

  /** A thread has ended, or is being ended: its batch fails, and the next one gets another thread. */
  function fail(ended: ParseThread, cause: unknown): void {
    // An exit follows an error. By then the next batch may be waiting for the next thread.
    if (thread !== ended) return
    detach()
    thread = undefined
    running?.reject(cause)
    running = undefined
  }

  function settle(answer: ParsedBatch | UnreadableFile): void {
    if ('fileError' in answer) running?.reject(new MailError('unavailable', {}, { cause: answer.fileError }))
    else running?.resolve(answer)
    running = undefined
  }

  /** Returns how many messages of the current batch are parsed; -1: the thread does not have them yet. */
  function parsedCount(): number {
    return Atomics.load(progress, PROGRESS.batch) === batchNumber ? Atomics.load(progress, PROGRESS.parsedCount) : -1
  }

  /** Ends the thread when it takes too long to start and read the file, or to parse one message. */
  function watchProgress(watched: ParseThread, mailCount: number): { lateness(): Lateness | undefined; end(): void } {
    let lateness: Lateness | undefined
    let first: Sighting | undefined
    const check = () => {
      const now = see(watched)
      if (now.parsedCount === mailCount) return // the answer is in the queue of this event loop
      if (now.parsedCount !== first?.parsedCount) {
        first = now
        return
      }
      lateness = latenessOf(first, now)
      if (!lateness) return
      clearInterval(timer)
      // At once, not when it has ended: the next batch must get another thread.
      fail(watched, new Error(TOO_LONG[lateness]))
      void watched.worker.terminate()
    }
    const timer = outsideUnits(() => setInterval(check, timeoutMs / CHECKS_PER_TIMEOUT)).unref()
    return { lateness: () => lateness, end: () => clearInterval(timer) }
  }

  function see(watched: ParseThread): Sighting {
    const cpuMs = schedulingOf(Atomics.load(watched.progress, PROGRESS.threadId))?.cpuMs
    return { parsedCount: parsedCount(), clockMs: performance.now(), cpuMs }
  }

  /** @returns undefined: the thread may continue */
  function latenessOf(first: Sighting, now: Sighting): Lateness | undefined {
    const { threadStartMs, stalledMs } = limits.parsing
    const clockMs = now.clockMs - first.clockMs
    if (now.parsedCount < 0) return clockMs >= threadStartMs ? 'start' : undefined
    const usedMs = first.cpuMs === undefined ? clockMs : (now.cpuMs ?? first.cpuMs) - first.cpuMs
    if (usedMs >= timeoutMs) return 'time'
    return clockMs >= stalledMs ? 'stalled' : undefined
  }

  function reasonOf(cause: unknown): ThreadEnded['reason'] {
    if (parsedCount() < 0) return 'start'
    return (cause as NodeJS.ErrnoException | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'memory' : 'error'
  }
}

function packBatch(number: number, mails: readonly LoadedTask[]): ParseBatch {
  const tasks = mails.map(({ task }) => task)
  const [first] = mails
  if (first && 'file' in first) return { number, tasks, file: first.file, bytes: joined([]), sizes: [first.sizeBytes] }
  const pieces = mails.map((mail) => {
    assert('bytes' in mail, 'a message in a file is alone')
    return mail.bytes
  })
  const sizes = pieces.map(({ length }) => length)
  const isAlone = pieces.length === 1 && first!.isOwned && first!.bytes.byteLength === first!.bytes.buffer.byteLength
  return { number, tasks, file: undefined, bytes: isAlone ? first!.bytes : joined(pieces), sizes }
}

function unpackBatch({ json, bytes, sizes }: ParsedBatch, tasks: readonly Task[]): TaskResult[] {
  let end = 0
  return (JSON.parse(json) as TaskResult[]).map((result, index) => {
    // Three pieces per message; an empty one is missing.
    const [bodies, compressedSource, searchText] = sizes.slice(3 * index, 3 * index + 3).map((size) => {
      end += size
      return bytes.subarray(end - size, end)
    })
    if (tasks[index] === 'readTexts') return { ...(result as PackedTexts), bytes: bodies! }
    if (tasks[index] !== 'parse' && tasks[index] !== 'parseWithoutCodes') return result
    // Members are added to the object from JSON: to copy it with more members takes several microseconds.
    const mail = result as { -readonly [Name in keyof ParsedMail]: ParsedMail[Name] }
    if (compressedSource!.length > 0) mail.compressedSource = compressedSource!
    mail.searchText = searchText!
    if (mail.date !== undefined) mail.date = new Date(mail.date) // JSON has no dates
    const { sizeBytes, headBytes } = mail.compressedBodies
    mail.compressedBodies = { bytes: bodies!, sizeBytes, headBytes }
    return mail
  })
}

/** Returns the pieces in one piece of memory of their own, which can change hands. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = Buffer.allocUnsafeSlow(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}
