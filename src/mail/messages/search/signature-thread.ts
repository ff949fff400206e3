/**
 * Makes the signatures and blocks of the text index in a thread, so that indexing takes no time from the event loop.
 *
 * The thread starts with the first task, and ends when it has had none for a while. If it dies, or takes too long for one task, its
 * tasks fail, the job that waits for them is retried, and a new thread is started: nothing is stored here. Without this limit, four
 * tasks that never end would stop all jobs of the server.
 */
import type { Worker } from 'node:worker_threads'
import type { Limits } from '../../../config/limits.ts'
import type { StoredBytes } from '../../../store/tables/contents-table.ts'
import { startThread } from '../../../worker-threads.ts'
import type { StoredText } from './message-text.ts'
import type { SourceLimits } from './source-signatures.ts'

type Task =
  | { readonly name: 'sign'; readonly texts: readonly StoredText[]; readonly charsMax: number }
  | { readonly name: 'sign sources'; readonly sources: readonly StoredBytes[]; readonly limits: SourceLimits }
  | { readonly name: 'pack'; readonly signatures: readonly Uint8Array[] }
  | { readonly name: 'unpack'; readonly chunks: readonly Uint8Array[]; readonly positions: readonly number[] }

export interface SignatureRequest {
  readonly id: number
  readonly task: Task
}
interface SignatureResponse {
  readonly id: number
  readonly result?: Uint8Array[]
  readonly error?: unknown
}

export interface SignatureThread {
  /** @returns a signature per text, all signatures of each source, the chunks of a block, or the signatures in it */
  run(task: Task): Promise<Uint8Array[]>
  stop(): Promise<void>
}

/** A thread and the callers that wait for it. One that is ending may exist beside the next one. */
interface StartedThread {
  readonly worker: Worker
  readonly waiting: Map<number, { resolve(result: Uint8Array[]): void; reject(error: unknown): void }>
  /** Ends the thread when it has answered no task for too long. */
  watchdog: NodeJS.Timeout | undefined
}

export function createSignatureThread({ search }: Pick<Limits, 'search'>): SignatureThread {
  let thread: StartedThread | undefined
  let idle: NodeJS.Timeout | undefined
  let lastId = 0

  return {
    async run(task) {
      clearTimeout(idle)
      thread ??= start()
      const { worker, waiting } = thread
      const request: SignatureRequest = { id: ++lastId, task }
      try {
        return await new Promise<Uint8Array[]>((resolve, reject) => {
          waiting.set(request.id, { resolve, reject })
          if (waiting.size === 1) watch(thread!)
          worker.postMessage(request)
        })
      } finally {
        if (waiting.size === 0 && thread?.worker === worker) endLater()
      }
    },
    async stop() {
      clearTimeout(idle)
      await end()
    },
  }

  function start(): StartedThread {
    const worker = startThread(import.meta.url, './signature.thread.ts')
    const started: StartedThread = { worker, waiting: new Map(), watchdog: undefined }
    const { waiting } = started
    const failAll = (error: unknown) => {
      clearTimeout(started.watchdog)
      for (const { reject } of waiting.values()) reject(error)
      waiting.clear()
    }
    worker.on('message', ({ id, result, error }: SignatureResponse) => {
      const caller = waiting.get(id)
      waiting.delete(id)
      watch(started)
      if (result) caller?.resolve(result)
      else caller?.reject(error)
    })
    worker.on('error', failAll)
    worker.on('exit', () => {
      if (thread === started) thread = undefined
      failAll(new Error('the thread of the text index ended'))
    })
    return started
  }

  /** Tasks run one after the other: the next one, if there is one, begins now. */
  function watch(watched: StartedThread): void {
    clearTimeout(watched.watchdog)
    if (watched.waiting.size === 0) return
    watched.watchdog = setTimeout(() => {
      // At once, not when it has ended: the next task must get another thread.
      if (thread === watched) thread = undefined
      void watched.worker.terminate()
    }, search.threadTaskMs).unref()
  }

  function endLater(): void {
    clearTimeout(idle)
    idle = setTimeout(() => void end(), search.threadIdleMs).unref()
  }

  async function end(): Promise<void> {
    const ending = thread
    thread = undefined
    await ending?.worker.terminate()
  }
}
