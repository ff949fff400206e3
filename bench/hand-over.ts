/**
 * What does it cost to hand a queued message over to its mail server, and how many per second are handed over?
 *
 *   npm run bench -- hand-over        BEFORE=../older/dist/cli.js  MESSAGES=4000  SLICE_MS=1500
 *
 * A server whose outbound mail is paused accepts MESSAGES messages, each for one of 100 destinations (destinations.ts), and is
 * then resumed. With BEFORE, a second server of another build does the same, and the two take turns: the process of the other
 * one is stopped meanwhile. The first slice of each is its warm-up.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { sendToDestination, startDestinations } from './destinations.ts'
import { type BenchServer, cpuMs, eventLoopMs, startBenchServer } from './server.ts'

const MESSAGES = Number(process.env.MESSAGES ?? 4_000)
const SLICE_MS = Number(process.env.SLICE_MS ?? 1_500)
const SENDERS = 20
/** A slice that ends sooner, because the queue is empty, has too few messages. */
const LEFT_MIN = MESSAGES / 20

interface Slice {
  readonly count: number
  readonly tookMs: number
  /** CPU time, ms. */
  readonly eventLoop: number
  readonly all: number
}

interface Subject {
  readonly name: string
  readonly server: BenchServer
  readonly slices: Slice[]
}

const destinations = await startDestinations()
const subjects: Subject[] = []
try {
  for (const [name, cli] of [
    ['this build', 'dist/cli.js'],
    ['before', process.env.BEFORE],
  ] as const) {
    if (cli) subjects.push({ name, server: await startPaused(cli), slices: [] })
  }
  for (const { server } of subjects) {
    await server.request('POST', '/outbound/resume')
    await slice(server)
  }
  rounds: for (let round = 0; ; round += 1) {
    for (const { server, slices } of round % 2 === 0 ? subjects : subjects.toReversed()) {
      const { isOver, ...measured } = await slice(server)
      if (isOver) break rounds
      slices.push(measured)
    }
  }
  const totals = subjects.map(({ name, slices }) => {
    const sum = (field: keyof Slice) => slices.reduce((total, each) => total + each[field], 0)
    const count = sum('count')
    const total = {
      perSecond: count / (sum('tookMs') / 1_000),
      eventLoop: (sum('eventLoop') / count) * 1_000,
      all: (sum('all') / count) * 1_000,
    }
    const cpu = `${total.eventLoop.toFixed(0)} us of the event loop, ${total.all.toFixed(0)} us of all threads`
    console.log(`${name}: ${total.perSecond.toFixed(0)}/s, ${cpu} per message (${count} in ${slices.length} slices)`)
    return total
  })
  const [now, before] = totals
  if (now && before) {
    for (const field of ['perSecond', 'eventLoop', 'all'] as const) {
      console.log(`${field}, compared with before: ${(now[field] / before[field]).toFixed(2)}`)
    }
  }
} finally {
  for (const { server } of subjects) {
    process.kill(server.pid, 'SIGCONT')
    await server.stop()
  }
  await destinations.stop()
}

/** Starts a server, fills its queue, and stops its process. */
async function startPaused(cli: string): Promise<BenchServer> {
  const server = await startBenchServer(destinations.env, [], cli, ['--paused'])
  await server.request('POST', '/inboxes', { username: 'load' })
  let next = 0
  await Promise.all(
    Array.from({ length: SENDERS }, async () => {
      while (next < MESSAGES) {
        await sendToDestination(server, next++)
      }
    }),
  )
  return server
}

/** Lets a server run for a while, and stops its process again. */
async function slice(server: BenchServer): Promise<Slice & { readonly isOver: boolean }> {
  process.kill(server.pid, 'SIGCONT')
  const before = { count: await delivered(server), eventLoop: eventLoopMs(server.pid), all: cpuMs(server.pid) }
  const start = performance.now()
  await delay(SLICE_MS)
  const after = await delivered(server)
  const measured = {
    count: after - before.count,
    tookMs: performance.now() - start,
    eventLoop: eventLoopMs(server.pid) - before.eventLoop,
    all: cpuMs(server.pid) - before.all,
    isOver: MESSAGES - after < LEFT_MIN,
  }
  process.kill(server.pid, 'SIGSTOP')
  return measured
}

async function delivered({ url }: BenchServer): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const line = /^martlet_recipient_attempts_total\{outcome="delivered"\} (\d+)$/m.exec(text)
  return Number(line?.[1] ?? 0)
}
