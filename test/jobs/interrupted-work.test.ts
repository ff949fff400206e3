/**
 * Tests that interrupted work runs one item at a time, and that an item that has reached the limit of interruptions is
 * set aside at once.
 */

import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createInterruptedWork, type InterruptedWork } from '../../src/mail/jobs/interrupted-work.ts'

const limits = withLimits({ jobs: { interruptionsMax: 3 } })
const ignore = () => undefined

/** Claims rows with the given interruptions. @returns whether interrupted work might be claimed */
async function claim(work: InterruptedWork, rows: readonly number[], onFree: () => void = ignore): Promise<boolean> {
  const claimed = await work.claim(
    async ({ mayClaim }) => ({ mayClaim, rows: rows.map((interruptions) => ({ interruptions })) }),
    ({ rows }) => rows,
    onFree,
  )
  return claimed.mayClaim
}

test('while an interrupted item runs, no worker may claim another; the worker is notified when the item has ended', async () => {
  const work = createInterruptedWork(limits)
  const freed: string[] = []
  expect(await claim(work, [0, 1], () => freed.push('first'))).toBe(true)
  expect(await claim(work, [], () => freed.push('second'))).toBe(false)
  expect(work.check(() => freed.push('third')).mayClaim).toBe(false)
  expect(freed).toEqual([])
  work.leave()
  expect(freed).toEqual(['second', 'third', 'first']) // the first may have more interrupted work
  expect(await claim(work, [])).toBe(true)
})

test('a claim that finds no interrupted work, or fails, does not block other claims', async () => {
  const work = createInterruptedWork(limits)
  await claim(work, [0, 3])
  const failing = work.claim(
    () => Promise.reject(new Error('the database is away')),
    () => [],
    ignore,
  )
  await expect(failing).rejects.toThrow('the database is away')
  expect(await claim(work, [])).toBe(true)
})

test('neither new work nor work that is set aside counts as interrupted', () => {
  const { isInterrupted } = createInterruptedWork(limits)
  expect([0, 1, 2, 3, 4].map((interruptions) => isInterrupted({ interruptions }))).toEqual([
    ...[false, true, true, false, false],
  ])
})
