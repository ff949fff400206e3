/**
 * How many varied messages of 5 KB per second does the server accept, parse and commit before the 250, compared with Postfix
 * with a Maildir (which parses and indexes nothing) on the same disk in the same run? Where Postfix is not installed,
 * only the disk's fsync time is printed for comparison.
 *
 *   npm run bench -- inbound      ROUNDS=3  ROUND_MS=4000  CASES=0,5  DATABASE=postgres  WARM_UP_MS=20000
 *
 * The load generator is this process; each server is a separate process. Rounds alternate because a shared machine is
 * never equally fast twice, and Postfix runs first and last; the medians are printed. Postfix is counted twice: at its 250, and when the message is in the
 * Maildir.
 */
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { createMailPool } from './mail-pool.ts'
import { isPostfixThere, startBenchPostfix } from './postfix.ts'
import { atLeast, report } from './report.ts'
import { cpuMs, startBenchServer } from './server.ts'
import { load } from './smtp-load.ts'

const ROUNDS = Number(process.env.ROUNDS ?? 3)
const ROUND_MS = Number(process.env.ROUND_MS ?? 4_000)
const WARM_UP_MS = Number(process.env.WARM_UP_MS ?? 20_000)
interface Case {
  readonly sessions: number
  /** One connection per message. */
  readonly isFresh: boolean
  readonly inboxes: number
  /** One transaction for all inboxes; Postfix writes a file for each of them, too. */
  readonly isForAll?: boolean
  /** Ratio to Postfix. */
  readonly goals?: { readonly sqlite?: number; readonly postgres?: number }
}

const CASES: readonly Case[] = [
  { sessions: 10, isFresh: false, inboxes: 50, goals: { sqlite: 1.3, postgres: 0.6 } },
  { sessions: 50, isFresh: false, inboxes: 50, goals: { sqlite: 2, postgres: 1.1 } },
  { sessions: 10, isFresh: true, inboxes: 50, goals: { sqlite: 1.3 } },
  { sessions: 50, isFresh: true, inboxes: 50, goals: { sqlite: 1.5 } },
  { sessions: 50, isFresh: false, inboxes: 1 },
  { sessions: 10, isFresh: false, inboxes: 50, isForAll: true, goals: { sqlite: 1 } },
]
const database = process.env.DATABASE === 'postgres' ? 'postgres' : 'sqlite'
const chosen = process.env.CASES ? process.env.CASES.split(',').map((index) => CASES[Number(index)]!) : CASES
const INBOXES_MAX = 50
const nextMail = createMailPool()

console.log(`fsync of a 5 KB append: ${fsyncMs().toFixed(2)} ms`)
const martlet = await startBenchServer()
const postfix = isPostfixThere() ? await startBenchPostfix(2_527) : undefined
try {
  for (let index = 0; index < INBOXES_MAX; index += 1)
    await martlet.request('POST', '/inboxes', { username: `load${index}` })
  // Until the compiler has optimised the code, in the event loop and in each parse thread, a message takes several times as long.
  await load({
    port: martlet.smtpPort,
    to: ['load0@mail.localhost'],
    nextMail,
    sessions: 50,
    isFresh: false,
    durationMs: WARM_UP_MS,
  })
  for (const { sessions, isFresh, inboxes, isForAll = false, goals } of chosen) {
    const to = Array.from({ length: inboxes }, (_, index) => `load${index}@mail.localhost`)
    const cpuBefore = cpuMs(martlet.pid)
    let received = 0
    const ours: number[] = []
    const accepted: number[] = []
    const filed: number[] = []
    await martlet.probe()
    const common = { sessions, isFresh, isForAll, nextMail, durationMs: ROUND_MS }
    for (let round = 0; round < ROUNDS; round += 1) {
      await runPostfix()
      const result = await load({ ...common, port: martlet.smtpPort, to })
      ours.push(result.perSecond)
      received += result.count
    }
    await runPostfix()
    const { stallP99Ms, stallMaxMs } = await martlet.probe()

    async function runPostfix(): Promise<void> {
      if (!postfix) return
      const before = postfix.delivered()
      const start = performance.now()
      const { perSecond, count } = await load({ ...common, port: postfix.port, to: isForAll ? to : [postfix.to] })
      accepted.push(perSecond)
      const copies = isForAll ? count * to.length : count
      while (postfix.delivered() - before < copies) await new Promise((resolve) => setTimeout(resolve, 20))
      filed.push(count / ((performance.now() - start) / 1000))
    }

    const connections = isFresh ? 'one connection per message' : 'connections reused'
    const target = isForAll ? 'all 50 inboxes at once' : `${inboxes} ${inboxes === 1 ? 'inbox' : 'inboxes'}`
    const ratio = median(ours) / median(filed)
    const cpu = ((cpuMs(martlet.pid) - cpuBefore) / received).toFixed(2)
    const stalls = `event loop late by p99 ${stallP99Ms.toFixed(1)} ms, max ${stallMaxMs.toFixed(1)} ms`
    report({
      what: `${sessions} sessions, ${connections}, ${target}`,
      measured: `${rate(ours)}, ${cpu} ms of CPU time per message, ${stalls}`,
      ...(postfix && {
        beside: `Postfix ${rate(filed)} in the Maildir, ${rate(accepted)} at 250`,
        ratio,
        ...atLeast(ratio, goals?.[database]),
      }),
    })
  }
} finally {
  await martlet.stop()
  await postfix?.stop()
}

function fsyncMs(): number {
  const file = openSync('.bench-fsync', 'w')
  const times: number[] = []
  for (let index = 0; index < 200; index += 1) {
    const start = performance.now()
    writeSync(file, Buffer.alloc(5_000))
    fsyncSync(file)
    times.push(performance.now() - start)
  }
  closeSync(file)
  rmSync('.bench-fsync')
  return median(times)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function rate(values: readonly number[]): string {
  return `${Math.round(median(values))}/s (${Math.round(Math.min(...values))}–${Math.round(Math.max(...values))})`
}
