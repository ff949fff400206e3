/**
 * Asserts that time grows with the size of hostile input, and not with its square: ten times the input may take at most 35
 * times as long. Quadratic time would take 100 times. CPU time, not the clock, and the best of three tries: other work on
 * the machine must not fail a test.
 */
import { expect } from 'vitest'
import { amount } from '../support/amount.ts'

const SIZES = { tiny: 10_000, small: 100_000, large: 1_000_000 }
const GROWTH_MAX = 35
/**
 * Quadratic time is far above this for 100 KB: 5,000,000,000 steps of a character, or 100,000,000 of a word. What is below
 * is not tried with 1 MB in a short run, of which there are thousands.
 */
const SMALL_MS_ENOUGH = amount({ short: 40, long: 0 })
/** Below this, CPU time says more about garbage collection than about the input. */
const SMALL_MS_MIN = 6
const TRIES = 3
/** No reader is that slow, and ten times the input would take minutes. */
const SMALL_MS_MAX = 1_000

/** Makes hostile input of about so many characters or bytes. */
export type Shape<Input> = (size: number) => Input

/**
 * Calls `read` with input of 10 KB, 100 KB and, where that takes long, 1 MB; fails when the time grows faster than the input.
 *
 * @param label names reader and shape in the failure
 */
export function expectLinear<Input>(label: string, shape: Shape<Input>, read: (input: Input) => unknown): void {
  read(shape(SIZES.tiny))
  const small = shape(SIZES.small)
  let smallMs = cpuMs(() => read(small))
  if (smallMs < SMALL_MS_ENOUGH) return

  const large = shape(SIZES.large)
  let largeMs = Number.POSITIVE_INFINITY
  for (let tries = 0; tries < TRIES && smallMs < SMALL_MS_MAX; tries++) {
    largeMs = Math.min(
      largeMs,
      cpuMs(() => read(large)),
    )
    if (largeMs <= GROWTH_MAX * Math.max(smallMs, SMALL_MS_MIN)) return
    smallMs = Math.min(
      smallMs,
      cpuMs(() => read(small)),
    )
  }
  expect.fail(`${label}: 100 KB take ${Math.round(smallMs)} ms of processor time, 1 MB ${Math.round(largeMs)} ms`)
}

/** Repeats `piece` up to the size. */
export function fill(piece: string, size: number): string {
  return piece.repeat(Math.ceil(size / piece.length))
}

function cpuMs(work: () => unknown): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
