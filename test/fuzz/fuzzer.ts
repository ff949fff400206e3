/**
 * A fuzzer with coverage feedback, for functions that read what strangers write. It changes the inputs of a corpus at random; an input that
 * runs code that none before it has run becomes part of what is changed next.
 *
 * Short form (`npm test`): replays the kept corpus and runs some random changes, the same each time. Long form (`npm run fuzz`): runs
 * for FUZZ_MINUTES (10) with another seed each time (FUZZ_SEED repeats one), and adds to the corpus the few inputs that reach
 * code which the kept ones do not. An input that fails is added too, so that it stays a test.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { mutate, type Random, seededRandom } from '../formats/random.ts'
import { amount } from '../support/amount.ts'
import { root } from '../support/imports.ts'
import { coverageSinceNow } from './coverage.ts'

export interface FuzzTarget {
  /** Name of its folder below test/fuzz/corpus. */
  readonly name: string
  /** Texts that its inputs contain. */
  readonly words: readonly string[]
  /** Fails if something is wrong. Everything it does is finished when it resolves. */
  run(input: Buffer): void | Promise<void>
}

const SHORT_RUNS = 300
/** Inputs run between two looks at the coverage, which takes milliseconds. */
const RUNS_PER_LOOK = 50
const INPUT_BYTES_MAX = 64 * 1024
const INPUT_MS_MAX = 2_000
const MINUTE_MS = 60_000

export const FUZZ_MS = amount({ short: 0, long: Number(process.env.FUZZ_MINUTES ?? 10) * MINUTE_MS })
export const TIMEOUT_MS = FUZZ_MS + amount({ short: 2, long: 10 }) * MINUTE_MS

export async function fuzz(target: FuzzTarget): Promise<void> {
  const folder = join(root, 'test/fuzz/corpus', target.name)
  const kept = readdirSync(folder).map((name) => readFileSync(join(folder, name)))
  expect(kept.length).toBeGreaterThan(0)
  for (const input of kept) await runOne(target, input, folder)
  if (FUZZ_MS > 0) return fuzzLong(target, kept, folder)
  const random = seededRandom(1)
  for (let count = 0; count < SHORT_RUNS; count += 1) await runOne(target, change(kept, target, random), folder)
}

async function fuzzLong(target: FuzzTarget, kept: readonly Buffer[], folder: string): Promise<void> {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1e9)
  const random = seededRandom(seed)
  const pool = [...kept]
  const coverage = await coverageSinceNow()
  for (const input of kept) await target.run(input)
  await coverage.countNew()
  let runs = 0
  const until = performance.now() + FUZZ_MS
  while (performance.now() < until) {
    const inputs = Array.from({ length: RUNS_PER_LOOK }, () => change(pool, target, random))
    for (const input of inputs) await runOne(target, input, folder)
    runs += inputs.length
    if ((await coverage.countNew()) > 0) pool.push(...inputs)
  }
  const added = await smallest(target, kept, pool.slice(kept.length))
  for (const input of added) keep(folder, input)
  console.log(
    `${target.name}: seed ${seed}, ${runs} inputs, ${pool.length - kept.length} with new code among them, ${added.length} kept`,
  )
}

/** Returns those that run code which neither the kept ones nor the ones before them run. */
async function smallest(target: FuzzTarget, kept: readonly Buffer[], candidates: readonly Buffer[]) {
  const coverage = await coverageSinceNow()
  for (const input of kept) await target.run(input)
  await coverage.countNew()
  const added: Buffer[] = []
  for (const input of candidates.toSorted((one, other) => one.length - other.length)) {
    await target.run(input)
    if ((await coverage.countNew()) > 0) added.push(input)
  }
  return added
}

async function runOne(target: FuzzTarget, input: Buffer, folder: string): Promise<void> {
  const start = process.cpuUsage()
  try {
    await target.run(input)
    const { user, system } = process.cpuUsage(start)
    expect((user + system) / 1_000, 'milliseconds of CPU time').toBeLessThan(INPUT_MS_MAX)
  } catch (error) {
    const file = keep(folder, input)
    throw new Error(`${target.name} fails for ${file}: ${JSON.stringify(input.toString('latin1', 0, 500))}`, {
      cause: error,
    })
  }
}

function keep(folder: string, input: Buffer): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, createHash('sha256').update(input).digest('hex').slice(0, 16))
  if (!existsSync(file)) writeFileSync(file, input)
  return file
}

/** Returns a changed copy of one input, perhaps joined with a part of another one. */
function change(pool: readonly Buffer[], { words }: FuzzTarget, random: Random): Buffer {
  let input: Buffer = Buffer.from(random.pick(pool))
  for (let count = random.below(3); count > 0; count -= 1) {
    const at = random.below(input.length + 1)
    const other = random.pick(pool)
    const from = random.below(other.length + 1)
    const piece =
      random.below(2) === 0 ? Buffer.from(random.pick(words), 'latin1') : other.subarray(from, from + random.below(200))
    const skipped = random.below(3) === 0 ? random.below(20) : 0
    input = Buffer.concat([input.subarray(0, at), piece, input.subarray(at + skipped)])
  }
  if (random.below(4) > 0) input = mutate(input, random)
  return input.subarray(0, INPUT_BYTES_MAX)
}
