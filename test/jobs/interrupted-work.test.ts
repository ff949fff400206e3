/**
 * Tests that interrupted work runs one item at a time, that an item which was interrupted more than once waits after the
 * start, and that an item that has reached the limit of interruptions is set aside at once.
 */

import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createInterruptedWork, type InterruptedWork } from '../../src/mail/jobs/interrupted-work.ts'
import { UNINTERRUPTED } from '../../src/store/leases.ts'

const limits = withLimits({ jobs: { interruptionsMax: 3 } })
const ignore = () => undefined

/** Claims rows with the given interruptions. @returns whether interrupted work might be claimed */
async function claim(work: InterruptedWork, rows: readonly number[], onFree: () => void = ignore): Promise<boolean> {
  const claimed = await work.claimWith(
    async ({ interruptionsBelow }) => ({
      mayClaim: interruptionsBelow > UNINTERRUPTED,
      rows: rows.map((interruptions) => ({ interruptions })),
    }),
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
  expect(work.bounds(() => freed.push('third')).interruptionsBelow).toBe(UNINTERRUPTED)
  expect(freed).toEqual([])
  work.ended()
  expect(freed).toEqual(['second', 'third', 'first']) // the first may have more interrupted work
  expect(await claim(work, [])).toBe(true)
})

test('a claim that finds no interrupted work, or fails, does not block other claims', async () => {
  const work = createInterruptedWork(limits)
  await claim(work, [0, 3])
  const failing = work.claimWith(
    () => Promise.reject(new Error('the database is away')),
    () => [],
    ignore,
  )
  await expect(failing).rejects.toThrow('the database is away')
  expect(await claim(work, [])).toBe(true)
})

test('work that was interrupted more than once waits until the process has run for a while', async () => {
  const work = createInterruptedWork(withLimits(limits, { jobs: { interruptedDelayMs: 30 } }))
  const isOver = new Promise<void>((resolve) => {
    expect(work.bounds(resolve)).toEqual({ interruptionsBelow: 2, setAsideFrom: 3 })
  })
  expect(await claim(work, [1])).toBe(true)
  expect(work.bounds(ignore).interruptionsBelow).toBe(UNINTERRUPTED)
  work.ended()
  await isOver
  expect(work.bounds(ignore)).toEqual({ interruptionsBelow: 3, setAsideFrom: 3 })
})

test('neither new work nor work that is set aside counts as interrupted', () => {
  const { isInterrupted } = createInterruptedWork(limits)
  expect([0, 1, 2, 3, 4].map((interruptions) => isInterrupted({ interruptions }))).toEqual([
    ...[false, true, true, false, false],
  ])
})
