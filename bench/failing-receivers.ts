/**
 * How soon is an ordered webhook delivered after its receiver was down, and how many requests per second does a receiver get
 * that fails half of the time?
 *
 *   npm run bench -- failing-receivers
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { startBenchServer } from './server.ts'

const OUTAGE_MS = Number(process.env.OUTAGE_MS ?? 60_000)
const EVENTS = Number(process.env.EVENTS ?? 500)
const RESPONSE_MS = Number(process.env.RESPONSE_MS ?? 30)

const server = await startBenchServer()
let failing = 1
let isHeld = false
const held: (() => void)[] = []
let calls = 0
let firstSuccessAt: number | undefined
const sink = createServer((request, response) => {
  request.resume().on('end', async () => {
    if (isHeld) await new Promise<void>((resolve) => held.push(resolve))
    calls += 1
    await delay(RESPONSE_MS)
    const hasFailed = Math.random() < failing
    if (!hasFailed) firstSuccessAt ??= performance.now()
    response.writeHead(hasFailed ? 503 : 204).end()
  })
})
sink.listen(0, '127.0.0.1')
await once(sink, 'listening')
const url = `http://127.0.0.1:${(sink.address() as AddressInfo).port}/`

try {
  const { email } = await server.request('POST', '/inboxes', { username: 'load' })
  const send = (subject: string) =>
    server.request('POST', `/inboxes/${email}/messages/send`, { to: email, subject, text: 'x' })
  const hook = async (ordered: boolean) =>
    (await server.request('POST', '/webhooks', { url, event_types: ['message.sent'], ordered })).webhook_id as string

  const ordered = await hook(true)
  const outage = delay(OUTAGE_MS)
  for (let event = 0; event < EVENTS; event += 1) await send(`${event}`)
  await outage
  failing = 0
  const backAt = performance.now()
  await allDelivered(ordered)
  const since = (at: number) => `${((at - backAt) / 1_000).toFixed(1)} s`
  console.log(
    `after ${OUTAGE_MS} ms: first after ${since(firstSuccessAt!)}, all ${EVENTS} after ${since(performance.now())}`,
  )
  await server.request('PATCH', `/webhooks/${ordered}`, { enabled: false })

  for (const share of [0, 0.5]) {
    const webhook = await hook(false)
    failing = share
    isHeld = true
    for (let event = 0; event < EVENTS; event += 1) await send(`${share} ${event}`)
    const startedAt = performance.now()
    calls = 0
    isHeld = false
    for (const answer of held.splice(0)) answer()
    while (calls < EVENTS) await delay(5)
    const perSecond = (EVENTS / (performance.now() - startedAt)) * 1_000
    console.log(`failing share ${share}: ${perSecond.toFixed(0)} requests/s`)
    await server.request('PATCH', `/webhooks/${webhook}`, { enabled: false })
  }
} finally {
  sink.closeAllConnections()
  sink.close()
  await server.stop()
}

/** Resolves when all deliveries of the webhook have been delivered. */
async function allDelivered(webhook: string): Promise<void> {
  const left = async (state: string) => {
    const { count } = await server.request('GET', `/webhooks/${webhook}/deliveries?limit=1&state=${state}`)
    return Number(count)
  }
  while ((await left('pending')) + (await left('waiting')) > 0) await delay(100)
}
