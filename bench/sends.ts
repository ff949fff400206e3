/**
 * What does a send over REST cost the server: CPU time of its event loop and of all its threads, and commits?
 *
 *   npm run bench -- sends        BEFORE=../older/dist/cli.js  ROUNDS=6  ROUND_S=5  SENDERS=20
 *
 * With BEFORE, a second server of another build gets the same sends, alternately. The servers hold the mail (route
 * `capture`), so that a send includes its claim and its outcome, but no other server. The first round warms up (Linux only).
 */
import { setTimeout as delay } from 'node:timers/promises'
import { startRestSenders } from './rest-senders.ts'
import { type BenchServer, cpuMs, eventLoopMs, startBenchServer } from './server.ts'

const ROUNDS = Number(process.env.ROUNDS ?? 6)
const ROUND_S = Number(process.env.ROUND_S ?? 5)
const SENDERS = Number(process.env.SENDERS ?? 20)

/** Of one round, per send except the rate. */
interface Cost {
  readonly eventLoopMs: number
  readonly cpuMs: number
  readonly commits: number
  readonly perSecond: number
}

const builds = [{ name: 'this build', cli: 'dist/cli.js' }]
if (process.env.BEFORE) builds.push({ name: 'before', cli: process.env.BEFORE })
const servers: { readonly name: string; readonly server: BenchServer; readonly costs: Cost[] }[] = []
try {
  for (const { name, cli } of builds) {
    const server = await startBenchServer({}, [], cli)
    servers.push({ name, server, costs: [] })
    await server.request('POST', '/inboxes', { username: 'load' })
  }
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const { server, costs } of round % 2 === 0 ? servers : servers.toReversed()) {
      const cost = await measure(server)
      if (round > 0) costs.push(cost)
    }
  }
  for (const { name, costs } of servers) {
    const of = (part: keyof Cost) => shown(costs.map((cost) => cost[part]))
    console.log(`${name}: event loop ${of('eventLoopMs')} ms, all threads ${of('cpuMs')} ms per send`)
    console.log(`  ${of('commits')} commits per send, ${of('perSecond')} sends per second`)
  }
  const [now, before] = servers
  if (now && before) {
    const ratio = (part: keyof Cost) => shown(now.costs.map((cost, index) => cost[part] / before.costs[index]![part]))
    console.log(`ratio: event loop ${ratio('eventLoopMs')}, all threads ${ratio('cpuMs')}, rate ${ratio('perSecond')}`)
  }
} finally {
  for (const { server } of servers) await server.stop()
}

async function measure(server: BenchServer): Promise<Cost> {
  const senders = startRestSenders(server, SENDERS)
  const start = { eventLoop: eventLoopMs(server.pid), cpu: cpuMs(server.pid), commits: await commitsOf(server) }
  const startedAt = performance.now()
  await delay(ROUND_S * 1_000)
  await senders.stop()
  const sends = senders.takeTimes().length
  return {
    eventLoopMs: (eventLoopMs(server.pid) - start.eventLoop) / sends,
    cpuMs: (cpuMs(server.pid) - start.cpu) / sends,
    commits: ((await commitsOf(server)) - start.commits) / sends,
    perSecond: sends / ((performance.now() - startedAt) / 1_000),
  }
}

async function commitsOf({ url }: BenchServer): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^martlet_commit_seconds_count (\d+)$/m.exec(text)?.[1] ?? 0)
}

/** Returns the median, and the range. */
function shown(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  return `${digits(median)} (${digits(sorted[0]!)} to ${digits(sorted.at(-1)!)})`
}

function digits(value: number): string {
  return value < 10 ? value.toFixed(2) : String(Math.round(value))
}
