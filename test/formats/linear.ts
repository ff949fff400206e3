/**
 * Asserts that hostile input takes linear time, not quadratic: ten times the input may take at most 35 times as
 * long, and three times the input 6.5 times.
 * It measures CPU time and takes the best of three tries, because other work on the machine must not fail a test.
 */
import { expect } from 'vitest'
import { amount } from '../support/amount.ts'

const SIZES = { tiny: 10_000, small: 100_000, medium: 300_000, large: 1_000_000 }
/**
 * Linear time grows by factors of 3 and 10, quadratic time by 9 and 100. The medium size finds functions that would
 * take minutes with the large one; a short run tries no other.
 */
const GROWTH_MAX = { medium: 6.5, large: 35 }
const LARGER_SIZES = amount<readonly ('medium' | 'large')[]>({ short: ['medium'], long: ['medium', 'large'] })
/**
 * Quadratic time for 100 KB is far above this: 5,000,000,000 steps over characters, or 100,000,000 over words. In a
 * short run, functions that take less are not tried with 1 MB, because there are thousands of them.
 */
const SMALL_MS_ENOUGH = amount({ short: 80, long: 0 })
/** Below this, CPU time says more about garbage collection than about the input. */
const SMALL_MS_MIN = 6
const TRIES = 3
/** No function under test is this slow, and with ten times the input it would take minutes. */
const SMALL_MS_MAX = 1_000

/** Time limit of a test of many shapes, in a long run. */
export const LONG_MS = 600_000

/** Returns hostile input of about `size` characters or bytes. */
export type Shape<Input> = (size: number) => Input

/**
 * Calls `read` with 10 KB and 100 KB of input and, if that is slow, with 300 KB (and 1 MB in a long run). Fails if the
 * time grows faster than the input.
 *
 * @param label  names the function and the shape in the failure
 */
export function expectLinear<Input>(label: string, shape: Shape<Input>, read: (input: Input) => unknown): void {
  read(shape(SIZES.tiny))
  const small = shape(SIZES.small)
  let smallMs = cpuMs(() => read(small))
  if (smallMs < SMALL_MS_ENOUGH) return

  if (smallMs > SMALL_MS_MAX) expect.fail(`${label}: 100 KB take ${Math.round(smallMs)} ms of CPU time`)
  for (const size of LARGER_SIZES) {
    const input = shape(SIZES[size])
    let ms = Number.POSITIVE_INFINITY
    for (let tries = 0; ms > GROWTH_MAX[size] * Math.max(smallMs, SMALL_MS_MIN); tries++) {
      if (tries === TRIES)
        expect.fail(`${label}: ${Math.round(smallMs)} ms of CPU time for 100 KB, ${Math.round(ms)} for ${SIZES[size]}`)
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

/** Repeats `piece` until the text has at least `size` characters. */
export function fill(piece: string, size: number): string {
  return piece.repeat(Math.ceil(size / piece.length))
}

function cpuMs(work: () => unknown): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
