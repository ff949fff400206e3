/**
 * Which code of ours runs, for fuzzer.ts. Import it before the code: V8 counts the blocks of functions that it compiles afterwards.
 */
import { Session } from 'node:inspector/promises'

const session = process.env.TEST_LONG ? await startCounting() : undefined

async function startCounting(): Promise<Session> {
  const started = new Session()
  started.connect()
  await started.post('Profiler.enable')
  await started.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  return started
}

export interface Coverage {
  /** Returns how many functions have run code that they had not run before. */
  countNew(): Promise<number>
}

/** Knows no code that has run before. */
export async function coverageSinceNow(): Promise<Coverage> {
  /** By function, a byte for each character: 1 if it has run. */
  const known = new Map<string, Uint8Array>()
  await session!.post('Profiler.takePreciseCoverage') // sets the counters to zero
  return {
    async countNew() {
      const { result } = await session!.post('Profiler.takePreciseCoverage')
      let count = 0
      for (const { url, scriptId, functions } of result) {
        if (!url.includes('/build/src/')) continue
        for (const { ranges } of functions) {
          const [whole, ...blocks] = ranges
          if (!whole || whole.count === 0) continue
          const { startOffset: start, endOffset: end } = whole
          const ran = new Uint8Array(end - start).fill(1)
          // From outside to inside
          for (const block of blocks)
            ran.fill(Number(block.count > 0), block.startOffset - start, block.endOffset - start)
          const key = `${scriptId}:${start}:${end}`
          const before = known.get(key) ?? new Uint8Array(end - start)
          const isNew = ran.some((one, at) => one > before[at]!)
          if (!isNew) continue
          known.set(
            key,
            before.map((one, at) => one | ran[at]!),
          )
          count += 1
        }
      }
      return count
    },
  }
}
