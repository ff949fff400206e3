/**
 * Runs inside the server under measurement (`node --import`), and says what no outside view shows: how long the event loop
 * stood still, and what is left in memory after a garbage collection. Each connection to the socket BENCH_PROBE gets one line
 * with what happened since the one before.
 */
import { createServer } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'

export interface ProbeReading {
  /** The longest and the 99th percentile, beyond the resolution of the timer. */
  readonly stallMaxMs: number
  readonly stallP99Ms: number
  /** After a garbage collection. */
  readonly rssBytes: number
  readonly heapBytes: number
  readonly externalBytes: number
}

const RESOLUTION_MS = 5
const path = process.env.BENCH_PROBE
const collect = (globalThis as { gc?: () => void }).gc

if (path !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  const beyond = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
  const server = createServer((socket) => {
    const [stallMaxMs, stallP99Ms] = [beyond(delay.max), beyond(delay.percentile(99))]
    for (let round = 0; round < 3; round++) collect?.()
    const { rss, heapUsed, external } = process.memoryUsage()
    const reading: ProbeReading = {
      ...{ stallMaxMs, stallP99Ms },
      ...{ rssBytes: rss, heapBytes: heapUsed, externalBytes: external },
    }
    socket.end(`${JSON.stringify(reading)}\n`)
    delay.reset()
  })
  server.listen(path)
  server.unref()
}
