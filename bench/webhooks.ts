/**
 * How many deliveries per second reach webhooks, with and without one that hangs? And how long after a commit does the
 * first attempt arrive on an idle machine?
 *
 *   npm run bench -- webhooks
 *
 * Labels are added and removed because such an event costs little else; each event is sent to `ENDPOINTS` webhooks. The
 * receiver is in this process, so one clock measures both times: when the response to the change, or the 250 of a message, was
 * read, and when the request was read. A request can be read before the response (both follow the same commit); such a delay
 * counts as measured, below zero.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createMailPool } from './mail-pool.ts'
import { atMost, report } from './report.ts'
import { KEY, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'

const ENDPOINTS = Number(process.env.ENDPOINTS ?? 4)
const EVENTS = Number(process.env.EVENTS ?? 1_000)
const ROUNDS = Number(process.env.ROUNDS ?? 3)
const SAMPLES = Number(process.env.SAMPLES ?? 300)
/** Between two samples. */
const PAUSE_MS = 20
/** First attempt, p99. */
const GOAL_MS = 25
const INBOX = 'load@mail.localhost'
const nextMail = createMailPool()

const server = await startBenchServer()
let heard = 0
let onCall: ((body: string) => void) | undefined
const sink = createServer((request, response) => {
  if (request.url === '/hangs') return void request.resume() // and never respond
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    heard += 1
    onCall?.(Buffer.concat(chunks).toString())
    response.writeHead(204).end()
  })
})
sink.listen(0, '127.0.0.1')
await once(sink, 'listening')
const base = `http://127.0.0.1:${(sink.address() as AddressInfo).port}`

try {
  await server.request('POST', '/inboxes', { username: 'load' })
  const session = await Session.open(server.smtpPort)
  for (let mail = 0; mail < 100; mail += 1) {
    await session.deliver('ann@example.test', INBOX, nextMail(INBOX))
  }
  const { messages } = (await server.request('GET', `/inboxes/${INBOX}/messages?limit=100`)) as {
    messages: { message_id: string }[]
  }
  const paths = messages.map(({ message_id }) => `/inboxes/${INBOX}/messages/${encodeURIComponent(message_id)}`)

  await latencyOfMail(session)
  await session.quit()
  await latencyOfChanges(paths[0]!)
  const hooks: string[] = []
  for (let index = 0; index < ENDPOINTS; index += 1) hooks.push(await hook(`/${index}`))
  const free: number[] = []
  const beside: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    free.push(await throughput(paths))
    const hanging = await hook('/hangs')
    beside.push(await throughput(paths))
    await remove(hanging)
  }
  const [alone, withOne] = [median(free), median(beside)]
  report({
    what: `${EVENTS} events to ${ENDPOINTS} webhooks, beside one that hangs`,
    measured: `${withOne.toFixed(0)} deliveries/s`,
    beside: `without it ${alone.toFixed(0)} deliveries/s`,
    ratio: withOne / alone,
  })
} finally {
  sink.closeAllConnections()
  sink.close()
  await server.stop()
}

async function hook(path: string, eventTypes = ['label.added', 'label.removed']): Promise<string> {
  const request = { url: base + path, event_types: eventTypes }
  return (await server.request('POST', '/webhooks', request)).webhook_id as string
}

async function remove(webhookId: string): Promise<void> {
  await fetch(`${server.url}/v0/webhooks/${webhookId}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${KEY}` },
  })
}

/** Delivers one message after another, with a pause between them, for one webhook. */
async function latencyOfMail(session: Session): Promise<void> {
  const only = await hook('/latency', ['message.received'])
  const delays: number[] = []
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const called = new Promise<number>((resolve) => {
      onCall = () => resolve(performance.now())
    })
    await session.deliver('ann@example.test', INBOX, nextMail(INBOX))
    const answeredAt = performance.now()
    delays.push((await called) - answeredAt)
    await delay(PAUSE_MS)
  }
  await remove(only)
  reportDelays('250 to the first attempt of its webhook', delays)
}

/** Makes one change after another, with a pause between them, for one webhook. */
async function latencyOfChanges(path: string): Promise<void> {
  const only = await hook('/latency')
  const delays: number[] = []
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const label = `l${sample}`
    const called = new Promise<number>((resolve) => {
      onCall = (body) => {
        if (JSON.parse(body).label.label === label) resolve(performance.now())
      }
    })
    await server.request('PATCH', path, { add_labels: [label], remove_labels: sample > 0 ? [`l${sample - 1}`] : [] })
    const answeredAt = performance.now()
    delays.push((await called) - answeredAt)
    await delay(PAUSE_MS)
  }
  onCall = undefined
  await remove(only)
  reportDelays('response to a change of labels to the first attempt of its webhook', delays)
}

function reportDelays(what: string, delays: readonly number[]): void {
  const sorted = delays.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
  const [p50, p95, p99, max] = [0.5, 0.95, 0.99, 1].map((share) => at(share).toFixed(2))
  const measured = `p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms, max ${max} ms`
  report({ what: `${what}, ${delays.length} of them`, measured, ...atMost(at(0.99), GOAL_MS, ' ms') })
}

/** Returns deliveries per second, from the first change until the last request. */
async function throughput(paths: readonly string[]): Promise<number> {
  const wanted = heard + EVENTS * ENDPOINTS
  const startedAt = performance.now()
  const workers = Array.from({ length: 20 }, async (_, worker) => {
    for (let event = worker; event < EVENTS; event += 20) {
      const path = paths[event % paths.length]!
      const label = `${startedAt.toFixed(0)}-${event}`
      await server.request('PATCH', path, { add_labels: [label] })
    }
  })
  await Promise.all(workers)
  while (heard < wanted) await delay(2)
  const seconds = (performance.now() - startedAt) / 1_000
  for (const path of paths) {
    const { labels } = (await server.request('GET', path)) as { labels: string[] }
    const own = labels.filter((label) => label.includes('-'))
    await server.request('PATCH', path, { remove_labels: own })
  }
  await quiet() // removals cause deliveries too
  return (EVENTS * ENDPOINTS) / seconds
}

/** Resolves when no more requests arrive. */
async function quiet(): Promise<void> {
  for (let before = -1; before !== heard; await delay(500)) before = heard
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}
