/**
 * Parse threads that the servers of a test process use one after the other. A thread takes a quarter of a second of CPU
 * time to start, and a thousand tests start a server.
 */
import { createRequire } from 'node:module'
import type { ParseThread, ParseThreads } from '../../src/mail/messages/content/parse-worker.ts'

/** From the same compiled files as the servers of the tests (world.ts). */
const { parseThreads, PROGRESS } = createRequire(import.meta.url)(
  '../../build/src/mail/messages/content/parse-worker.js',
) as typeof import('../../src/mail/messages/content/parse-worker.ts')

/** On a machine that runs other tests at the same time, a low priority would only make the tests of large messages take longer. */
const NICE_LEVELS = 0

/** Idle threads of all limits; the oldest one ends when there are more. */
const IDLE_MAX = 4

/** Oldest first. `limits` is the JSON of the limits that the thread was started with. */
const idle: { readonly limits: string; readonly thread: ParseThread }[] = []
const limitsOf = new WeakMap<ParseThread, string>()

export const sharedThreads: ParseThreads = {
  start(limits) {
    const wanted = JSON.stringify(limits.parsing)
    const index = idle.findIndex((each) => each.limits === wanted)
    if (index >= 0) return idle.splice(index, 1)[0]!.thread
    const thread = parseThreads.start(limits, NICE_LEVELS)
    limitsOf.set(thread, wanted)
    thread.worker.once('exit', () => forget(thread))
    return thread
  },

  async end(thread) {
    Atomics.store(thread.progress, PROGRESS.batch, 0)
    idle.push({ limits: limitsOf.get(thread)!, thread })
    if (idle.length > IDLE_MAX) await idle.shift()!.thread.worker.terminate()
  },
}

function forget(thread: ParseThread): void {
  const index = idle.findIndex((each) => each.thread === thread)
  if (index >= 0) idle.splice(index, 1)
}
