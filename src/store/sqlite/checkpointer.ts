/**
 * Keeps the write-ahead log short, without the event loop waiting for it.
 *
 *   after each commit: look at its length → from limits.checkpointPages on, a passive checkpoint in a thread, beside
 *   the writer → if the writer wrote on meanwhile, the log is still long: it waits while the thread copies the little
 *   that is left and cuts the log (a passive one alone never catches up with a writer that does not pause)
 *
 * Crash: the log is read back when the database is opened. A checkpoint that fails is logged and counted, a thread that
 * died is started anew; both are tried again once the log has grown by as much again. Stop: `close` waits for the
 * checkpoint under way; what is left SQLite copies when the last connection closes.
 */
import type { Worker } from 'node:worker_threads'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { startThread } from '../../threads.ts'

export type CheckpointRequest = 'passive' | 'truncate' | 'close'

/** What `pragma wal_checkpoint` tells. */
export interface WalState {
  /** 1 when somebody kept it from finishing. */
  readonly busy: number
  /** Pages in the log. */
  readonly log: number
  /** Of these, copied back. */
  readonly checkpointed: number
}

interface CheckpointerNeeds {
  file: string
  checkpointPages: number
  log: Log
  metrics: Metrics
}

export class Checkpointer {
  readonly #needs: CheckpointerNeeds
  #thread: Worker | undefined
  #answer: { resolve(state: WalState): void; reject(error: unknown): void } | undefined
  #running: Promise<void> | undefined
  /** While set, the writer must not begin. */
  #truncating: Promise<void> | undefined
  /** A passive one has copied the bulk. */
  #bulkIsCopied = false
  /** Length from which a checkpoint is tried; higher after a failure. */
  #fromPages: number

  constructor(needs: CheckpointerNeeds) {
    this.#needs = needs
    this.#fromPages = needs.checkpointPages
  }

  /** To be told after each commit, outside a transaction. */
  look({ log, checkpointed }: WalState): void {
    if (log < this.#fromPages) this.#bulkIsCopied = false
    else if (this.#running || checkpointed === log)
      return // all is copied: the next write begins at the log's start
    else if (this.#bulkIsCopied) this.#truncating = this.#start('truncate', log)
    else this.#start('passive', log)
  }

  /** Resolves when the writer may begin. */
  async writersTurn(): Promise<void> {
    if (this.#truncating) await this.#truncating
  }

  /** Resolves when no checkpoint is under way. */
  async idle(): Promise<void> {
    await this.#running
  }

  async close(): Promise<void> {
    await this.idle()
    const thread = this.#thread
    if (!thread) return
    const exited = new Promise((resolve) => thread.once('exit', resolve))
    thread.ref()
    thread.postMessage('close' satisfies CheckpointRequest)
    await exited
  }

  /** Never rejects. */
  async #start(request: CheckpointRequest, logPages: number): Promise<void> {
    this.#running = this.#checkpoint(request, logPages)
    await this.#running
    this.#running = undefined
    this.#truncating = undefined
  }

  async #checkpoint(request: CheckpointRequest, logPages: number): Promise<void> {
    const { checkpointPages, log, metrics } = this.#needs
    try {
      const { busy } = await this.#ask(request)
      this.#bulkIsCopied = request === 'passive'
      // Another program reads this database: try again later, and do not hold the writer up after each commit.
      this.#fromPages = busy ? logPages + checkpointPages : checkpointPages
    } catch (error) {
      metrics.loopErrors.inc({ loop: 'checkpoint' })
      log.error({ err: error, logPages }, 'the write-ahead log could not be copied back; it grows')
      this.#fromPages = logPages + checkpointPages
    }
  }

  async #ask(request: CheckpointRequest): Promise<WalState> {
    this.#thread ??= this.#startThread() // at the first need: most tests and command line calls end before it
    const thread = this.#thread
    thread.ref() // the process must not end while a writer waits for this
    try {
      return await new Promise<WalState>((resolve, reject) => {
        this.#answer = { resolve, reject }
        thread.postMessage(request)
      })
    } finally {
      thread.unref()
    }
  }

  #startThread(): Worker {
    const thread = startThread(import.meta.url, './checkpoint.thread.ts', { workerData: { file: this.#needs.file } })
    thread.on('message', (state: WalState) => this.#answer?.resolve(state))
    thread.on('error', (error) => this.#answer?.reject(error))
    thread.on('exit', () => {
      this.#thread = undefined
      this.#answer?.reject(new Error('the checkpoint thread ended'))
    })
    return thread
  }
}
