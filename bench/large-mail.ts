/**
 * How long do small messages wait beside large ones, and beside one that takes the parser as long as it may?
 *
 *   npm run bench -- large-mail        PER_SECOND=50  DURATION_S=10
 *
 * 20 sessions send varied messages of 5 KB at a steady rate, each measured from MAIL FROM to its 250: alone, and while one
 * peer sends messages near the size limit, and another one messages of almost-boundaries, without a pause. Both run in a
 * thread of their own: copying 50 MiB must not delay those who are measured. In between, the event loop of the server
 * says how long it stood still.
 */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { createMailPool } from './mail-pool.ts'
import { atMost, report } from './report.ts'
import { startBenchServer } from './server.ts'
import type { ProbeReading } from './server-probe.ts'
import { Session } from './smtp-load.ts'

const PER_SECOND = Number(process.env.PER_SECOND ?? 50)
const DURATION_S = Number(process.env.DURATION_S ?? 10)
const SESSIONS = 20
const WARM_UP_S = 5
const MIB = 1024 ** 2
const LARGE_BYTES = 50 * MIB

if (isMainThread) await main()
else await sendLarge(workerData as number)

async function main(): Promise<void> {
  const server = await startBenchServer()
  try {
    for (const username of ['load', 'large']) await server.request('POST', '/inboxes', { username })
    await measure(server.smtpPort, WARM_UP_S)
    await server.probe()
    const alone = await measure(server.smtpPort, DURATION_S)
    print('alone', alone, await server.probe())
    const peers = new Worker(fileURLToPath(import.meta.url), { workerData: server.smtpPort })
    await delay(1_000)
    await server.probe()
    const beside = await measure(server.smtpPort, DURATION_S)
    const probed = await server.probe()
    peers.postMessage('end')
    const [counts] = (await once(peers, 'message')) as [readonly number[]]
    print(`beside ${counts[0]} messages of ${LARGE_BYTES / MIB} MiB and ${counts[1]} slow ones`, beside, probed)
    const [p99, p99Alone] = [percentile(beside, 0.99), percentile(alone, 0.99)]
    report({
      what: 'p99 of 5 KB beside 50 MiB and slow ones',
      measured: `${p99.toFixed(1)} ms`,
      beside: `alone ${p99Alone.toFixed(1)} ms`,
      ratio: p99 / p99Alone,
      ...atMost(p99 / p99Alone, 2),
    })
  } finally {
    await server.stop()
  }
}

/** In the thread: sends without a pause until a message arrives, and answers with the two numbers of messages. */
async function sendLarge(port: number): Promise<void> {
  const ends = [repeat(port, largeMail()), repeat(port, slowMail())]
  await once(parentPort!, 'message')
  parentPort!.postMessage(await Promise.all(ends.map((end) => end())))
  parentPort!.close()
}

/** @returns times from MAIL FROM to 250, in ms, sorted */
async function measure(port: number, durationS: number): Promise<number[]> {
  const nextMail = createMailPool()
  const times: number[] = []
  const pauseMs = (SESSIONS / PER_SECOND) * 1_000
  const endMs = performance.now() + durationS * 1_000
  await Promise.all(
    Array.from({ length: SESSIONS }, async (_, index) => {
      const session = await Session.open(port)
      let nextMs = performance.now() + (index / SESSIONS) * pauseMs
      while (nextMs < endMs) {
        await delay(Math.max(0, nextMs - performance.now()))
        nextMs += pauseMs
        const startedMs = performance.now()
        await session.deliver('ann@example.test', 'load@mail.localhost', nextMail('load@mail.localhost'))
        times.push(performance.now() - startedMs)
      }
      await session.quit()
    }),
  )
  return times.sort((a, b) => a - b)
}

/** Sends a message again and again over one session. @returns a function that ends this and returns their number */
function repeat(port: number, mail: (id: string) => Buffer): () => Promise<number> {
  let isRunning = true
  const sent = run()
  return () => {
    isRunning = false
    return sent
  }

  async function run(): Promise<number> {
    let count = 0
    while (isRunning) {
      const session = await Session.open(port)
      try {
        await session.deliver('eve@example.test', 'large@mail.localhost', mail(`${performance.now()}`))
        count += 1
      } catch {
        await delay(100) // refused for now: a sender whose message took too long waits
      }
      await session.quit()
    }
    return count
  }
}

function largeMail(): (id: string) => Buffer {
  const line = `${'QUJD'.repeat(19)}\r\n`
  const body = Buffer.from(line.repeat(Math.floor((LARGE_BYTES - MIB) / line.length)))
  const head = 'Content-Type: application/pdf; name="a.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
  return (id) => Buffer.concat([Buffer.from(`Message-ID: <${id}@large.test>\r\n${head}`), body])
}

/** Lines that look like the beginning of a boundary. */
function slowMail(): (id: string) => Buffer {
  const body = Buffer.from('--ba\r\n'.repeat(3 * MIB))
  const head = 'Content-Type: multipart/mixed; boundary=b\r\n\r\n'
  return (id) => Buffer.concat([Buffer.from(`Message-ID: <${id}@slow.test>\r\n${head}`), body])
}

function print(name: string, times: readonly number[], { stallP99Ms, stallMaxMs }: ProbeReading): void {
  const of = (share: number) => `${percentile(times, share).toFixed(1)} ms`
  const stalls = `event loop late by p99 ${stallP99Ms.toFixed(1)} ms, max ${stallMaxMs.toFixed(1)} ms`
  console.log(
    `${name}: ${times.length} messages, p50 ${of(0.5)}, p95 ${of(0.95)}, p99 ${of(0.99)}, max ${of(1)}; ${stalls}`,
  )
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
