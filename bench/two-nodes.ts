/**
 * How many messages per second do two nodes of one PostgreSQL accept for the same 50 inboxes, compared with one?
 *
 *   npm run bench -- two-nodes       ROUNDS=5  ROUND_MS=4000
 *
 * 50 sessions send varied messages of 5 KB, each to all inboxes in turn: to one node, or half of them to each. Both nodes run all the
 * time, and rounds alternate, because a shared machine is never equally fast twice. On one machine, the nodes share its
 * processors with PostgreSQL and with the load generator: the ratio says what they lose by locking the same rows, not what a
 * second machine would add.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { startPostgresServer } from '../test/support/postgres-server.ts'
import { createMailPool } from './mail-pool.ts'
import { atLeast, report } from './report.ts'
import { type BenchServer, cpuMs, startBenchServer } from './server.ts'
import { load } from './smtp-load.ts'

const ROUNDS = Number(process.env.ROUNDS ?? 5)
const ROUND_MS = Number(process.env.ROUND_MS ?? 4_000)
const WARM_UP_MS = 5_000
const SESSIONS = 50
const INBOXES = 50
const GOAL = 1

const to = Array.from({ length: INBOXES }, (_, index) => `load${index}@mail.localhost`)
const nextMail = createMailPool()
const blobs = mkdtempSync(join(process.cwd(), '.bench-data-'))
const postgres = await startPostgresServer({ fsync: 'on' })
const nodes: BenchServer[] = []
try {
  const shared = { MARTLET_DATABASE_URL: postgres.url, MARTLET_BLOBS_URL: pathToFileURL(blobs).href }
  for (let count = 0; count < 2; count += 1) nodes.push(await startBenchServer(shared))
  const [one, two] = nodes as [BenchServer, BenchServer]
  for (const address of to) await one.request('POST', '/inboxes', { username: address.split('@')[0] })
  // Until the compiler has optimised the code, a message takes several times as long.
  await send([one, two], WARM_UP_MS)

  const figures = { one: [] as Figures[], two: [] as Figures[] }
  for (let round = 0; round < ROUNDS; round += 1) {
    figures.one.push(await send([nodes[round % 2]!], ROUND_MS))
    figures.two.push(await send([one, two], ROUND_MS))
  }
  const ratio = median(figures.two, 'perSecond') / median(figures.one, 'perSecond')
  report({
    what: `two nodes that file into the same ${INBOXES} inboxes`,
    measured: describe(figures.two),
    beside: `one node ${describe(figures.one)}`,
    ratio,
    ...atLeast(ratio, GOAL),
  })
} finally {
  for (const node of nodes) await node.stop()
  await postgres[Symbol.asyncDispose]()
  rmSync(blobs, { recursive: true, force: true })
}

interface Figures {
  readonly perSecond: number
  /** Of all nodes, per message. */
  readonly cpuMs: number
}

/** Divides the sessions among these nodes. */
async function send(receiving: readonly BenchServer[], durationMs: number): Promise<Figures> {
  const cpuBefore = nodesCpuMs()
  const sessions = SESSIONS / receiving.length
  const results = await Promise.all(
    receiving.map(({ smtpPort: port }) => load({ port, to, nextMail, sessions, isFresh: false, durationMs })),
  )
  const count = results.reduce((sum, result) => sum + result.count, 0)
  const perSecond = results.reduce((sum, result) => sum + result.perSecond, 0)
  return { perSecond, cpuMs: (nodesCpuMs() - cpuBefore) / count }
}

function nodesCpuMs(): number {
  return nodes.reduce((sum, { pid }) => sum + cpuMs(pid), 0)
}

function median(figures: readonly Figures[], name: keyof Figures): number {
  return figures.map((each) => each[name]).toSorted((a, b) => a - b)[Math.floor(figures.length / 2)]!
}

function describe(figures: readonly Figures[]): string {
  const rates = figures.map(({ perSecond }) => Math.round(perSecond))
  const [low, high] = [Math.min(...rates), Math.max(...rates)]
  const perMessage = median(figures, 'cpuMs').toFixed(2)
  return `${Math.round(median(figures, 'perSecond'))}/s (${low}–${high}), ${perMessage} ms of CPU time of the nodes per message`
}
