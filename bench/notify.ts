/**
 * How long from the 250 of a mail to its frame on a WebSocket, at 50 mails a second?
 *
 *   npm run bench -- notify
 *
 * Both ends are this process, so one clock tells both times: when the 250 was read and when the frame was. A frame may
 * be read before the 250 (both leave after the same commit); such a delay counts as it is, below zero.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { KEY, startBenchServer } from './server.ts'
import { Session, sampleMail } from './smtp-load.ts'

const PER_SECOND = Number(process.env.PER_SECOND ?? 50)
const SECONDS = Number(process.env.DURATION_S ?? 20)

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

  const sessions = await Promise.all(Array.from({ length: 10 }, () => Session.open(server.smtpPort)))
  const answeredAt = new Map<string, number>()
  const sentAt = new Map<string, number>()
  const start = performance.now()
  const sending: Promise<void>[] = []
  for (let index = 0; index < PER_SECOND * SECONDS; index += 1) {
    await delay(Math.max(0, start + (index * 1000) / PER_SECOND - performance.now()))
    const id = randomUUID()
    const session = sessions[index % sessions.length]!
    sentAt.set(id, performance.now())
    sending.push(
      session
        .deliver('ann@example.test', 'load@mail.localhost', sampleMail(id))
        .then(() => void answeredAt.set(`<${id}@example.test>`, performance.now())),
    )
  }
  await Promise.all(sending)
  while (heardAt.size < answeredAt.size) await delay(5)

  const delays = [...answeredAt].map(([id, at]) => heardAt.get(id)! - at)
  const whole = [...sentAt].map(([id, at]) => heardAt.get(`<${id}@example.test>`)! - at)
  console.log(`${answeredAt.size} mails of 5 KB at ${PER_SECOND}/s`)
  console.log(`250 → frame: ${percentiles(delays)}`)
  console.log(`MAIL FROM → frame: ${percentiles(whole)}`)
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
