/**
 * Runs inside the server under measurement (`node --import`), and says what no outside view shows: how long the event loop
 * stood still, and what is left in memory after a garbage collection. Each connection to the socket BENCH_PROBE gets one line
 * with what happened since the one before.
 */
import { openSync, readSync } from 'node:fs'
import { createServer } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'

export interface ProbeReading {
  /** The longest and the 99th percentile, beyond the resolution of the timer. */
  readonly stallMaxMs: number
  readonly stallP99Ms: number
  /** The longest in CPU time of the event loop: without the time in which other processes had the processor. Linux only, otherwise 0. */
  readonly stallCpuMaxMs: number
  /** After a garbage collection. */
  readonly rssBytes: number
  readonly heapBytes: number
  readonly externalBytes: number
}

const RESOLUTION_MS = 5
const path = process.env.BENCH_PROBE
const cpuTimeFile = path === undefined ? undefined : openCpuTime()
const cpuTimeText = Buffer.alloc(64)
const collect = (globalThis as { gc?: () => void }).gc

if (path) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  const beyond = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
  let cpuMs = cpuTimeMs()
  let stallCpuMaxMs = 0
  setInterval(() => {
    const now = cpuTimeMs()
    stallCpuMaxMs = Math.max(stallCpuMaxMs, now - cpuMs - RESOLUTION_MS)
    cpuMs = now
  }, RESOLUTION_MS).unref()
  const server = createServer((socket) => {
    const [stallMaxMs, stallP99Ms] = [beyond(delay.max), beyond(delay.percentile(99))]
    for (let round = 0; round < 3; round++) collect?.()
    const { rss, heapUsed, external } = process.memoryUsage()
    const reading: ProbeReading = {
      ...{ stallMaxMs, stallP99Ms, stallCpuMaxMs },
      ...{ rssBytes: rss, heapBytes: heapUsed, externalBytes: external },
    }
    socket.end(`${JSON.stringify(reading)}\n`)
    delay.reset()
    stallCpuMaxMs = 0
    cpuMs = cpuTimeMs()
  })
  server.listen(path)
  server.unref()
}

/** The file stays open, because opening it each time took 2 to 6 % of the event loop that is measured. */
function openCpuTime(): number | undefined {
  try {
    return openSync(`/proc/self/task/${process.pid}/schedstat`, 'r')
  } catch {
    return undefined
  }
}

/** Of this thread. */
function cpuTimeMs(): number {
  if (cpuTimeFile === undefined) return 0
  const length = readSync(cpuTimeFile, cpuTimeText, 0, cpuTimeText.length, 0)
  return Number.parseInt(cpuTimeText.toString('latin1', 0, length), 10) / 1e6 // the first of its numbers
}
