/**
 * Keeps the write-ahead log short without blocking the event loop.
 *
 *   after each commit: check the length of the log → from limits.store.checkpointPages on: a passive checkpoint in a
 *   thread, while the writer continues → if the log is still long because of new writes: the writer waits while the
 *   thread copies the small rest (passive checkpoints alone never catch up with a writer that does not pause) → the next
 *   commit writes from the beginning of the log again
 *
 * The file of the log keeps its length. Overwriting it is cheaper than making it longer: a file that grows needs new blocks, and
 * each fsync writes its new length too. One that is unusually long is shortened by the commit that writes from its beginning
 * (`journal_size_limit` in sqlite-adapter.ts).
 *
 * The thread ends when it has had nothing to copy for limits.store.checkpointIdleMs, because it takes memory.
 *
 * Crash: SQLite replays the log when the database is opened. A checkpoint that fails is logged and counted, and a
 * thread that died is started again. The next attempt follows when the log has grown by limits.store.checkpointPages.
 * Stop: `close` waits for the running checkpoint. SQLite copies the rest when the last connection closes.
 */
import type { Worker } from 'node:worker_threads'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { startThread } from '../../worker-threads.ts'

/** `restart` and `truncate` copy everything; `truncate` also gives the file of the log back to the file system. */
export type CheckpointRequest = 'passive' | 'restart' | 'truncate' | 'close'

/** The result of `pragma wal_checkpoint`. */
export interface WalState {
  /** 1 if a reader or writer prevented the checkpoint from finishing. */
  readonly busy: number
  /** Pages in the log. */
  readonly log: number
  /** Pages of the log that are copied back. */
  readonly checkpointed: number
}

interface CheckpointerNeeds {
  file: string
  checkpointPages: number
  /** Time without a checkpoint after which the thread ends. */
  checkpointIdleMs: number
  log: Log
  metrics: Metrics
}

export class Checkpointer {
  readonly #needs: CheckpointerNeeds
  #thread: Worker | undefined
  #idleTimer: NodeJS.Timeout | undefined
  /** Resolves when the last thread that was asked to end has closed its connection. */
  #ended: Promise<unknown> | undefined
  #answer: { resolve(state: WalState): void; reject(error: unknown): void } | undefined
  #running: Promise<void> | undefined
  /** While set, the writer must not begin. */
  #emptying: Promise<void> | undefined
  /** A passive checkpoint has copied most of the log. */
  #isBulkCopied = false
  /** The log length, in pages, from which a checkpoint is tried; higher after a failure. */
  #fromPages: number

  constructor(needs: CheckpointerNeeds) {
    this.#needs = needs
    this.#fromPages = needs.checkpointPages
  }

  /** Checks the length of the log. Call this after each commit, outside a transaction. */
  afterCommit({ log: logPages, checkpointed: copiedPages }: WalState): void {
    if (logPages < this.#fromPages) {
      this.#isBulkCopied = false
      return
    }
    if (this.#running || copiedPages === logPages) return // all is copied: the next write starts at the beginning
    if (!this.#isBulkCopied) {
      this.#start('passive', logPages)
      return
    }
    this.#emptying = this.#start('restart', logPages)
  }

  /** Copies the whole log back, which makes the database file as short as the last commit says. Never rejects. */
  async truncate(): Promise<void> {
    for (const request of ['passive', 'truncate'] as const) {
      while (this.#running) await this.#running
      const done = this.#start(request, 0)
      if (request === 'truncate') this.#emptying = done
      await done
    }
  }

  /** Whether a checkpoint waits for all readers to end. */
  get isEmptying(): boolean {
    return this.#emptying !== undefined
  }

  /** Resolves when the writer may begin. */
  async whenWritable(): Promise<void> {
    if (this.#emptying) await this.#emptying
  }

  /** Resolves when no checkpoint is running. */
  async whenIdle(): Promise<void> {
    await this.#running
  }

  async close(): Promise<void> {
    await this.whenIdle()
    this.#endThread()
    await this.#ended
  }

  /** Never rejects. */
  async #start(request: CheckpointRequest, logPages: number): Promise<void> {
    this.#running = this.#checkpoint(request, logPages)
    await this.#running
    this.#running = undefined
    this.#emptying = undefined
  }

  async #checkpoint(request: CheckpointRequest, logPages: number): Promise<void> {
    const { log, metrics, checkpointPages } = this.#needs
    try {
      const { busy } = await this.#ask(request)
      this.#isBulkCopied = request === 'passive'
      // If another program reads this database: try again later, and do not block the writer after each commit.
      this.#fromPages = busy ? logPages + checkpointPages : checkpointPages
    } catch (error) {
      metrics.backgroundErrors.inc({ loop: 'checkpoint' })
      log.error({ err: error, logPages }, 'checkpoint failed; the write-ahead log grows')
      this.#fromPages = logPages + checkpointPages
    }
  }

  async #ask(request: CheckpointRequest): Promise<WalState> {
    clearTimeout(this.#idleTimer)
    this.#thread ??= this.#startThread() // on first use: most tests and commands never need it
    const thread = this.#thread
    thread.ref() // the process must not end while a writer waits for this
    try {
      return await new Promise<WalState>((resolve, reject) => {
        this.#answer = { resolve, reject }
        thread.postMessage(request)
      })
    } finally {
      thread.unref()
      this.#idleTimer = setTimeout(() => this.#endThread(), this.#needs.checkpointIdleMs).unref()
    }
  }

  /** The next checkpoint gets another thread. */
  #endThread(): void {
    clearTimeout(this.#idleTimer)
    const thread = this.#thread
    if (!thread) return
    this.#thread = undefined
    this.#ended = new Promise((resolve) => thread.once('exit', resolve))
    thread.ref() // the process must not end before its connection is closed
    thread.postMessage('close' satisfies CheckpointRequest)
  }

  #startThread(): Worker {
    const thread = startThread(import.meta.url, './checkpoint.thread.ts', { workerData: { file: this.#needs.file } })
    thread.on('message', (state: WalState) => this.#answer?.resolve(state))
    const fail = (error: Error) => {
      if (this.#thread !== thread) return // it was asked to end, and another one may be running a checkpoint
      this.#answer?.reject(error)
    }
    thread.on('error', fail)
    thread.on('exit', () => {
      fail(new Error('the checkpoint thread ended'))
      if (this.#thread === thread) this.#thread = undefined
    })
    return thread
  }
}
