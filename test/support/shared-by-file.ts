/**
 * Servers that the tests of one file share: the first test that needs them starts them, and they stop after the last test. Each
 * test has inboxes of its own, and subscribes to these only.
 *
 *   const sharedWorld = sharedByFile(() => startWorld())
 *   const world = await sharedWorld()
 */
import { afterAll } from 'vitest'

/** Call it at the top of a file. */
export function sharedByFile<Servers extends AsyncDisposable>(start: () => Promise<Servers>): () => Promise<Servers> {
  let started: Promise<Servers> | undefined
  afterAll(async () => {
    await (await started)?.[Symbol.asyncDispose]()
  })
  return () => {
    started ??= start()
    return started
  }
}
