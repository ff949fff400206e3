/**
 * How long after the 250 of a message does its frame arrive on a WebSocket, at 50 and at 500 messages per second?
 *
 *   npm run bench -- notify
 *
 * Messages are due at a steady rate, even when earlier ones are late, and each is sent over the first free session. If
 * the server accepts fewer than the target rate, all sessions are busy all the time, and the printed rate is the one
 * that it reached.
 *
 * Both ends are in this process, so one clock measures both times: when the 250 was read and when the frame was read. A
 * frame can be read before the 250 (both leave after the same commit); such a delay counts as measured, below zero.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { KEY, startBenchServer } from './server.ts'
import { Session, sampleMail } from './smtp-load.ts'

const RATES = (process.env.PER_SECOND ?? '50,500').split(',').map(Number)
const SESSIONS = 20
const SECONDS = Number(process.env.DURATION_S ?? 15)

const server = await startBenchServer()
try {
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
  for (const rate of RATES) await measure(rate)

  async function measure(perSecond: number): Promise<void> {
    const answeredAt = new Map<string, number>()
    const sentAt = new Map<string, number>()
    heardAt.clear()
    const start = performance.now()
    let next = 0
    const work = async (session: Session) => {
      while (next < perSecond * SECONDS) {
        const dueAt = start + (next * 1000) / perSecond
        next += 1
        await delay(Math.max(0, dueAt - performance.now()))
        const id = randomUUID()
        sentAt.set(`<${id}@example.test>`, performance.now())
        await session.deliver('ann@example.test', 'load@mail.localhost', sampleMail(id))
        answeredAt.set(`<${id}@example.test>`, performance.now())
      }
    }
    await Promise.all(sessions.map(work))
    const took = (performance.now() - start) / 1000
    while (heardAt.size < answeredAt.size) await delay(5)

    const delays = [...answeredAt].map(([id, at]) => heardAt.get(id)! - at)
    const whole = [...sentAt].map(([id, at]) => heardAt.get(id)! - at)
    console.log(
      `${answeredAt.size} messages of 5 KB, due at ${perSecond}/s, taken at ${(answeredAt.size / took).toFixed(0)}/s`,
    )
    console.log(`250 → frame: ${percentiles(delays)}`)
    console.log(`MAIL FROM → frame: ${percentiles(whole)}`)
  }

  await Promise.all(sessions.map((session) => session.quit()))
  socket.terminate()
} finally {
  await server.stop()
}

function percentiles(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(2)
  return `p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, max ${sorted.at(-1)!.toFixed(2)} ms`
}
