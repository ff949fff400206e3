/**
 * How long after the 250 of a message does its frame arrive on a WebSocket, at 50 and at 500 messages per second?
 *
 *   npm run bench -- notify        BEFORE=../older/dist/cli.js  PER_SECOND=50,500  DURATION_S=15  ROUNDS=1
 *
 * Messages are due at a steady rate, even when earlier ones are late, and each is sent over the first free session. If
 * the server accepts fewer than the target rate, all sessions are busy all the time, and the printed rate is the one
 * that it reached. With BEFORE, a second server of another build gets the same messages, alternately. The first messages
 * of a server, which load and compile code, are printed apart.
 *
 * Both ends are in this process, so one clock measures both times: when the 250 was read and when the frame was read. A
 * frame can be read before the 250 (both leave after the same commit); such a delay counts as measured, below zero.
 */
import { once } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { createMailPool } from './mail-pool.ts'
import { atMost, report } from './report.ts'
import { type BenchServer, KEY, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'

const RATES = (process.env.PER_SECOND ?? '50,500').split(',').map(Number)
const SESSIONS = 20
const SECONDS = Number(process.env.DURATION_S ?? 15)
const ROUNDS = Number(process.env.ROUNDS ?? 1)
const WARM_UP_SECONDS = 10
const TO = 'load@mail.localhost'
/** 250 to frame, p99, at this rate. */
const GOAL = { perSecond: 50, ms: 10 }
const nextMail = createMailPool()

/** A server with its sessions and its subscriber. */
interface Subject {
  readonly name: string
  readonly server: BenchServer
  readonly socket: WebSocket
  readonly sessions: readonly Session[]
  /** When the frame of each message was read, by Message-ID. */
  readonly heardAt: Map<string, number>
}

/** Delays in ms. */
interface Delays {
  readonly afterReply: number[]
  readonly whole: number[]
}

const builds = [{ name: 'this build', cli: 'dist/cli.js' }]
if (process.env.BEFORE) builds.push({ name: 'before', cli: process.env.BEFORE })
const subjects: Subject[] = []
const loopDelay = monitorEventLoopDelay({ resolution: 5 })
try {
  for (const { name, cli } of builds) subjects.push(await start(name, cli))
  for (const subject of subjects)
    print(`${subject.name}, first ${WARM_UP_SECONDS} s`, await offer(subject, 50, WARM_UP_SECONDS))
  loopDelay.enable()
  for (const rate of RATES) await compare(rate)
  console.log(`delay of this process: p99 ${(loopDelay.percentile(99) / 1e6).toFixed(0)} ms`)
  for (const { sessions, socket } of subjects) {
    await Promise.all(sessions.map((session) => session.quit()))
    socket.terminate()
  }
} finally {
  for (const { server } of subjects) await server.stop()
}

async function start(name: string, cli: string): Promise<Subject> {
  const server = await startBenchServer({}, [], cli)
  await server.request('POST', '/inboxes', { username: 'load' })
  const socket = new WebSocket(`${server.url}/v0`, { headers: { authorization: `Bearer ${KEY}` } })
  await once(socket, 'open')
  const heardAt = new Map<string, number>()
  const subscribed = once(socket, 'message')
  socket.send(JSON.stringify({ type: 'subscribe' }))
  await subscribed
  socket.on('message', (data) => {
    const at = performance.now()
    heardAt.set(JSON.parse(String(data)).message.message_id, at)
  })
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => Session.open(server.smtpPort)))
  return { name, server, socket, sessions, heardAt }
}

async function compare(perSecond: number): Promise<void> {
  const all = subjects.map(
    () => ({ afterReply: [], whole: [], perSecond: [] as number[] }) as Delays & { perSecond: number[] },
  )
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, subject] of subjects.entries()) {
      const startedAt = performance.now()
      const { afterReply, whole } = await offer(subject, perSecond, SECONDS)
      all[index]!.afterReply.push(...afterReply)
      all[index]!.whole.push(...whole)
      all[index]!.perSecond.push(afterReply.length / ((performance.now() - startedAt) / 1_000))
    }
  }
  for (const [index, { name }] of subjects.entries()) {
    const rates = all[index]!.perSecond.map((rate) => rate.toFixed(0)).join(', ')
    const delays = all[index]!
    print(`${name}, due at ${perSecond}/s, accepted at ${rates}/s`, delays)
    report({
      what: `250 to the frame of a WebSocket at ${perSecond}/s, ${name}`,
      measured: percentiles(delays.afterReply),
      ...atMost(percentile(delays.afterReply, 0.99), perSecond === GOAL.perSecond ? GOAL.ms : undefined, ' ms'),
    })
  }
}

async function offer({ sessions, heardAt }: Subject, perSecond: number, seconds: number): Promise<Delays> {
  const answeredAt = new Map<string, number>()
  const sentAt = new Map<string, number>()
  heardAt.clear()
  const start = performance.now()
  let next = 0
  const work = async (session: Session) => {
    while (next < perSecond * seconds) {
      const dueAt = start + (next * 1_000) / perSecond
      next += 1
      await delay(Math.max(0, dueAt - performance.now()))
      const mail = nextMail(TO)
      const [id] = /<[^>]+>/.exec(mail.toString('latin1', mail.indexOf('Message-ID:')))!
      sentAt.set(id, performance.now())
      await session.deliver('ann@example.test', TO, mail)
      answeredAt.set(id, performance.now())
    }
  }
  await Promise.all(sessions.map(work))
  while (heardAt.size < answeredAt.size) await delay(5)
  return {
    afterReply: [...answeredAt].map(([id, at]) => heardAt.get(id)! - at),
    whole: [...sentAt].map(([id, at]) => heardAt.get(id)! - at),
  }
}

function print(title: string, { afterReply, whole }: Delays): void {
  console.log(`${title}: ${whole.length} messages of 5 KB`)
  console.log(`  250 → frame: ${percentiles(afterReply)}`)
  console.log(`  MAIL FROM → frame: ${percentiles(whole)}`)
}

function percentiles(values: readonly number[]): string {
  const at = (share: number) => percentile(values, share).toFixed(2)
  return `p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN
}
