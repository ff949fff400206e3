/** Starts worker threads. Node 20 cannot run a `.ts` file in a thread, so it runs the compiled file next to the caller. */
import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * @param importMetaUrl `import.meta.url` of the caller
 * @param file          source file of the thread, relative to the caller: './name.thread.ts'
 */
export function startThread(importMetaUrl: string, file: `./${string}.thread.ts`, options: WorkerOptions = {}): Worker {
  // Flags of the parent are not for threads: a test runner's loaders would be set up once more in each.
  return new Worker(new URL(file.replace(/\.ts$/, '.js'), importMetaUrl), { execArgv: [], ...options })
}
