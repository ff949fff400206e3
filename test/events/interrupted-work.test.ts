/** Work that was interrupted runs one piece at a time; what has reached the limit is set aside without waiting. */
import { expect, test } from 'vitest'
import { createInterruptedWork } from '../../src/mail/jobs/interrupted-work.ts'

const limits = { workInterruptionsMax: 3 }

test('while an interrupted piece runs, no worker may claim another; it is notified when the piece has ended', () => {
  const work = createInterruptedWork(limits)
  const freed: string[] = []
  const first = work.reserve(() => freed.push('first'))
  expect(first).toEqual({ mayClaim: true, setAsideFrom: 3 })
  work.settle(first, [{ interruptions: 0 }, { interruptions: 1 }])
  const second = work.reserve(() => freed.push('second'))
  expect(second.mayClaim).toBe(false)
  work.settle(second, [])
  expect(freed).toEqual([])
  work.leave()
  expect(freed).toEqual(['second', 'first']) // the first may have more of them
  expect(work.reserve(() => undefined).mayClaim).toBe(true)
})

test('a claim that finds no interrupted work leaves the place to others', () => {
  const work = createInterruptedWork(limits)
  work.settle(
    work.reserve(() => undefined),
    [{ interruptions: 0 }, { interruptions: 3 }],
  )
  expect(work.reserve(() => undefined).mayClaim).toBe(true)
})

test('neither new work nor what is set aside counts as interrupted', () => {
  const { isInterrupted } = createInterruptedWork(limits)
  expect([0, 1, 2, 3, 4].map((interruptions) => isInterrupted({ interruptions }))).toEqual([
    ...[false, true, true, false, false],
  ])
})
