/** Tests when the thread of the text index ends, and whose tasks fail with it. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createSignatureThread } from '../../src/mail/messages/search/signature-thread.ts'

const task = { name: 'pack', signatures: [] } as const

// The exit of the thread before rejected what the next one had to do.
test('a task that begins while an idle thread is ending runs in the next one', async () => {
  const thread = createSignatureThread(withLimits({}))
  await thread.run(task)
  const [, chunks] = await Promise.all([thread.stop(), thread.run(task)])
  expect(chunks).toHaveLength(48)
  await thread.stop()
})

test('a task that takes too long fails, with those behind it, and the next one gets another thread', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const limits = withLimits({})
  const thread = createSignatureThread(limits)
  const tasks = Promise.allSettled([thread.run(task), thread.run(task)])
  vi.advanceTimersByTime(limits.search.threadTaskMs)
  const failed = { status: 'rejected', reason: new Error('the thread of the text index ended') }
  expect(await tasks).toEqual([failed, failed])
  expect(await thread.run(task)).toHaveLength(48)
  expect(vi.getTimerCount()).toBe(1) // that of the idle thread
  await thread.stop()
})

test('a task that is running when the thread ends fails', async () => {
  const thread = createSignatureThread(withLimits({}))
  const running = thread.run(task)
  running.catch(() => undefined)
  await thread.stop()
  await expect(running).rejects.toThrow('the thread of the text index ended')
})
