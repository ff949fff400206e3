/**
 * Asserts that time grows with the size of hostile input, and not with its square: ten times the input may take at most 35
 * times as long. CPU time, not the clock, and the best of three tries: other work on
 * the machine must not fail a test.
 */
import { expect } from 'vitest'
import { amount } from '../support/amount.ts'

const SIZES = { tiny: 10_000, small: 100_000, medium: 300_000, large: 1_000_000 }
/** Linear time grows by 3 and by 10, quadratic time by 9 and by 100. The first finds what would take minutes in the second. */
const GROWTH_MAX = { medium: 6.5, large: 35 }
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

/** For a test of many shapes in a long run. */
export const LONG_MS = 600_000

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

  if (smallMs > SMALL_MS_MAX) expect.fail(`${label}: 100 KB take ${Math.round(smallMs)} ms of processor time`)
  for (const size of ['medium', 'large'] as const) {
    const input = shape(SIZES[size])
    let ms = Number.POSITIVE_INFINITY
    for (let tries = 0; ms > GROWTH_MAX[size] * Math.max(smallMs, SMALL_MS_MIN); tries++) {
      if (tries === TRIES)
        expect.fail(
          `${label}: ${Math.round(smallMs)} ms of processor time for 100 KB, ${Math.round(ms)} for ${SIZES[size]}`,
        )
      if (tries > 0)
        smallMs = Math.min(
          smallMs,
          cpuMs(() => read(small)),
        )
      ms = Math.min(
        ms,
        cpuMs(() => read(input)),
      )
    }
  }
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
