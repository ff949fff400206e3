/**
 * Starts worker threads, from compiled code and from TypeScript sources alike.
 *
 * Node 20 cannot run a `.ts` file in a thread, and tests import the sources. So a thread named by a source file runs
 * its compiled counterpart in dist/ (`npm test` builds first); compiled code finds its sibling.
 */
import { existsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker, type WorkerOptions } from 'node:worker_threads'

/** src/ or dist/, whichever this runs from. */
const root = dirname(fileURLToPath(import.meta.url))

/**
 * @param importMetaUrl `import.meta.url` of the caller
 * @param file          source file of the thread, relative to the caller: './name.thread.ts'
 * @throws Error when a source has no compiled counterpart
 */
export function startThread(importMetaUrl: string, file: `./${string}.thread.ts`, options: WorkerOptions = {}): Worker {
  // Flags of the parent are not for threads: a test runner's loaders would be set up once more in each.
  return new Worker(compiledPath(fileURLToPath(new URL(file, importMetaUrl))), { execArgv: [], ...options })
}

function compiledPath(source: string): string {
  const compiled = source.replace(/\.ts$/, '.js')
  if (import.meta.url.endsWith('.js')) return compiled

  const built = join(root, '..', 'dist', relative(root, compiled))
  if (!existsSync(built)) throw new Error(`${built} is missing: run npm run build, since threads run compiled code`)
  return built
}
