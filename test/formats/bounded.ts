/**
 * Asserts that hostile input takes linear time. Quadratic work on half a megabyte takes minutes, so a coarse limit
 * finds it. The limit is on CPU time, not elapsed time: other work on the machine must not fail a test. Other
 * threads of this process count too, so it is generous.
 */
import { expect } from 'vitest'

const CPU_MS_MAX = 5_000

/** Runs `work` and fails if it used more CPU time than a linear pass over a few megabytes needs. */
export function expectBounded<T>(work: () => T): T {
  const before = process.cpuUsage()
  const result = work()
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1000, 'milliseconds of CPU time').toBeLessThan(CPU_MS_MAX)
  return result
}
