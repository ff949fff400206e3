/**
 * How long does a new SMTP connection wait for its greeting while other clients keep the server busy, and what happens
 * to more connections than the server can serve?
 *
 *   npm run bench -- connections        SECONDS=10  REST_SENDERS=50  CASES=100+rest,600
 *
 * Connections are due at a steady rate, even if earlier ones are late, from 250 loopback addresses, as from unrelated
 * servers. Each delivers one message of 5 KB. One without a greeting after 10 s counts as timed out. After the load,
 * a probe connects every 50 ms: the server has recovered at the first probe from which on all are greeted in 100 ms.
 */
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { startRestSenders } from './rest-senders.ts'
import { startBenchServer } from './server.ts'
import { sampleMail } from './smtp-load.ts'

const SECONDS = Number(process.env.SECONDS ?? 10)
const REST_SENDERS = Number(process.env.REST_SENDERS ?? 50)
const TIMEOUT_MS = 10_000
const PROBES = 100
const PROBE_INTERVAL_MS = 50
const RECOVERED_MS = 100
const NETWORKS = 250
const CASES = (process.env.CASES ?? '100+rest,600,600+rest').split(',').map((text) => ({
  perSecond: Number.parseInt(text, 10),
  restSenders: text.endsWith('+rest') ? REST_SENDERS : 0,
}))

/** What became of one connection. */
interface Visit {
  /** From connect to the greeting, or to the 421 instead of it. */
  greetedMs?: number
  end: 'accepted' | 'refused' | 'evicted' | 'timed out' | 'failed'
}

const server = await startBenchServer()
const loopDelay = monitorEventLoopDelay({ resolution: 5 })
try {
  await server.request('POST', '/inboxes', { username: 'load' })
  await offer(50, 2_000) // loads and compiles code
  for (const { perSecond, restSenders } of CASES) await measure(perSecond, restSenders)
} finally {
  await server.stop()
}

async function measure(perSecond: number, restSenders: number): Promise<void> {
  const senders = startRestSenders(server, restSenders)
  await delay(1_000)
  senders.takeTimes()
  loopDelay.reset()
  loopDelay.enable()
  const startedAt = performance.now()
  const visits = await offer(perSecond, SECONDS * 1_000)
  const offeredMs = performance.now() - startedAt
  const probing = probe()
  const sendTimes = senders.takeTimes()
  await Promise.all(visits)
  const recoveredMs = await probing
  loopDelay.disable()
  await senders.stop()

  const all = await Promise.all(visits)
  const ends = (end: Visit['end']) => all.filter((visit) => visit.end === end).length
  const greeted = all.flatMap(({ greetedMs, end }) => (greetedMs === undefined || end === 'refused' ? [] : [greetedMs]))
  const refused = all.flatMap(({ greetedMs, end }) => (greetedMs !== undefined && end === 'refused' ? [greetedMs] : []))
  console.log(`${perSecond}/s beside ${restSenders} REST senders, ${SECONDS} s`)
  console.log(`  greeting: ${times(greeted)}`)
  console.log(
    `  accepted ${ends('accepted')} (${Math.round(ends('accepted') / (offeredMs / 1_000))}/s), ` +
      `421 instead of a greeting ${ends('refused')} (${times(refused)}), 421 later ${ends('evicted')}, ` +
      `timed out ${ends('timed out')}, failed ${ends('failed')}`,
  )
  if (restSenders > 0) {
    console.log(`  REST: ${Math.round(sendTimes.length / (offeredMs / 1_000))}/s, ${times(sendTimes)}`)
  }
  console.log(`  recovered after ${recoveredMs === undefined ? 'more than 5 s' : `${Math.round(recoveredMs)} ms`}`)
  console.log(`  delay of this process: p99 ${(loopDelay.percentile(99) / 1e6).toFixed(0)} ms`)
}

/** Resolves when the last connection has begun. */
async function offer(perSecond: number, durationMs: number): Promise<Promise<Visit>[]> {
  const total = (perSecond * durationMs) / 1_000
  const startedAt = performance.now()
  const visits: Promise<Visit>[] = []
  while (visits.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1_000) * perSecond) + 1)
    while (visits.length < due) visits.push(visit(visits.length, sampleMail(randomUUID())))
    await delay(1)
  }
  return visits
}

/** @returns ms until the first probe from which on each was greeted in time */
async function probe(): Promise<number | undefined> {
  const startedAt = performance.now()
  const probes: Promise<{ atMs: number; isServed: boolean }>[] = []
  for (let index = 0; index < PROBES; index += 1) {
    const atMs = performance.now() - startedAt
    probes.push(
      visit(index).then(({ end, greetedMs = 0 }) => ({
        atMs,
        isServed: end === 'accepted' && greetedMs <= RECOVERED_MS,
      })),
    )
    await delay(PROBE_INTERVAL_MS)
  }
  const results = await Promise.all(probes)
  const lastLate = results.findLastIndex(({ isServed }) => !isServed)
  return results[lastLate + 1]?.atMs
}

/** Connects, delivers the message if there is one, and quits. */
function visit(index: number, mail?: Buffer): Promise<Visit> {
  const localAddress = `127.1.0.${1 + (index % NETWORKS)}`
  const startedAt = performance.now()
  const result: Visit = { end: 'failed' }
  const steps: (string | Buffer)[] = mail
    ? [
        'EHLO bench.example\r\n',
        'MAIL FROM:<ann@example.test>\r\n',
        'RCPT TO:<load@mail.localhost>\r\n',
        'DATA\r\n',
        Buffer.concat([mail, Buffer.from('\r\n.\r\n')]),
        'QUIT\r\n',
      ]
    : ['QUIT\r\n']
  return new Promise((resolve) => {
    const socket = connect({ port: server.smtpPort, host: '127.0.0.1', localAddress })
    socket.setNoDelay(true)
    let buffered = ''
    let step = 0
    const timeout = setTimeout(() => {
      result.end = 'timed out'
      socket.destroy()
    }, TIMEOUT_MS)
    socket.on('data', (bytes) => {
      buffered += bytes.toString('latin1')
      for (;;) {
        const reply = /^(?:\d{3}-.*\r\n)*(\d{3}) .*\r\n/.exec(buffered)
        if (!reply) return
        buffered = buffered.slice(reply[0].length)
        answer(Number(reply[1]))
      }
    })
    socket.on('error', () => undefined) // 'close' follows
    socket.on('close', () => {
      clearTimeout(timeout)
      resolve(result)
    })

    function answer(code: number): void {
      if (step === 0) {
        result.greetedMs = performance.now() - startedAt
        clearTimeout(timeout)
      }
      if (code === 421) {
        result.end = step === 0 ? 'refused' : 'evicted'
        socket.destroy()
        return
      }
      if (step === steps.length - 1) result.end = 'accepted'
      const next = steps[step]
      step += 1
      if (next !== undefined) socket.write(next)
    }
  })
}

function times(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  return sorted.length === 0
    ? 'none'
    : `p50 ${at(0.5)!.toFixed(1)} ms, p99 ${at(0.99)!.toFixed(1)} ms, max ${at(1)!.toFixed(1)} ms`
}
