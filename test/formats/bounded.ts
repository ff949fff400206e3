/**
 * Asserts that hostile input takes linear time. Quadratic work on half a megabyte takes minutes, so a coarse limit
 * finds it. The limit is on CPU time of this thread, not elapsed time: other work on the machine, and other threads of this
 * process, must not fail a test.
 */
import { existsSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'

const CPU_MS_MAX = 2_000

/** Runs `work` and fails if it used more CPU time, by default than a linear pass over a few megabytes needs. */
export function expectBounded<T>(work: () => T, cpuMsMax = CPU_MS_MAX): T {
  const before = cpuMs()
  const result = work()
  expect(cpuMs() - before, 'milliseconds of CPU time').toBeLessThan(cpuMsMax)
  return result
}

/** Its first field is the CPU time of this thread in nanoseconds (Linux, Documentation/scheduler/sched-stats.rst). */
const THREAD_TIME = '/proc/thread-self/schedstat'
const hasThreadTime = existsSync(THREAD_TIME)

/** Returns the CPU time of this thread; where the system does not report it, that of the process. */
function cpuMs(): number {
  if (hasThreadTime) return Number(readFileSync(THREAD_TIME, 'utf8').split(' ')[0]) / 1e6
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
