/** Starts worker threads. Node 20 cannot run a `.ts` file, so a thread runs the compiled file next to the caller. */
import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * @param importMetaUrl `import.meta.url` of the caller
 * @param file          the thread's source file, relative to the caller: './name.thread.ts'
 */
export function startThread(importMetaUrl: string, file: `./${string}.thread.ts`, options: WorkerOptions = {}): Worker {
  // Do not pass the parent's flags on: each thread would load a test runner's loaders again.
  return new Worker(new URL(file.replace(/\.ts$/, '.js'), importMetaUrl), { execArgv: [], ...options })
}
