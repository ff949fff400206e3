/**
 * Tests that slow receivers of one pod do not stop the others: real webhook receivers and mail servers accept what one
 * pod sends and do not respond, with all the concurrent requests and deliveries that this pod can get.
 */
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startDns } from '../support/dns-server.ts'
import { mxAddress, startMxs } from '../support/fake-mx.ts'
import { ok, startWebhookSink } from '../support/webhook-sink.ts'
import { startWorld, type World } from '../support/world.ts'

/** Domains with a mail server that accepts connections and sends no greeting. */
const SLOW_DOMAINS = Array.from({ length: 8 }, (_, index) => `slow${index}.test`)

let world: World
let close: (() => PromiseLike<void>)[] = []
let mxs: Awaited<ReturnType<typeof startMxs>>['mxs']

beforeAll(async () => {
  const servers = await startMxs({ greeting: 'hang' }, {})
  mxs = servers.mxs
  const dns = await startDns({
    ...Object.fromEntries(SLOW_DOMAINS.map((domain) => [domain, { A: [mxAddress(0)] }])),
    'fine.test': { A: [mxAddress(1)] },
  })
  world = await startWorld({
    env: { MARTLET_OUTBOUND: 'direct', MARTLET_OUTBOUND_PORT: `${servers.port}`, MARTLET_DNS_SERVERS: dns.address },
    limits: {
      webhooks: { concurrencyMax: 8, endpointConcurrencyMax: 2, testsMax: 4, perPodMax: 8 },
      delivery: { concurrencyMax: 8 },
      server: { shutdownGraceMs: 50 },
    },
  })
  close = [world, dns, servers].map((each) => () => each[Symbol.asyncDispose]())
})

afterAll(async () => {
  for (const each of close) await each()
})

/** Creates a pod with a key and an inbox. */
async function addPod(name: string) {
  const { podId } = await world.agentmail.pods.create({ name })
  const { apiKey } = await world.agentmail.pods.apiKeys.create(podId, {})
  const agentmail = world.agentmailAs(apiKey)
  const { inboxId } = await agentmail.inboxes.create({ username: name })
  const send = (to: string[]) => agentmail.inboxes.messages.send(inboxId, { to, subject: 'hello', text: 'hello' })
  return { agentmail, apiKey, inboxId, send }
}

test('webhooks of one pod that respond slowly do not delay those of another pod', async () => {
  const slow = await addPod('slow-hooks')
  const fine = await addPod('fine-hooks')
  const held: ServerResponse[] = []
  await using slowSink = await startWebhookSink((response) => void held.push(response))
  await using fineSink = await startWebhookSink()
  for (let count = 0; count < 8; count += 1) {
    await slow.agentmail.webhooks.create({ url: slowSink.url, eventTypes: ['message.received'] })
  }
  await fine.agentmail.webhooks.create({ url: fineSink.url, eventTypes: ['message.received'] })
  for (const subject of ['one', 'two', 'three']) await world.smtp.send({ to: slow.inboxId, subject, text: 'hello' })
  await slowSink.count(4) // half of all requests

  await world.smtp.send({ to: fine.inboxId, subject: 'hello', text: 'hello' })
  expect((await fineSink.count(1))[0]!.event.message.inbox_id).toBe(fine.inboxId)
  expect(slowSink.calls).toHaveLength(4)

  slowSink.answer = ok
  for (const response of held) ok(response, slowSink.calls[0]!)
  await slowSink.count(8 * 3)
})

test('mail of one pod to slow mail servers does not delay that of another pod', async () => {
  const [hanging, taking] = mxs
  const slow = await addPod('slow-mail')
  const fine = await addPod('fine-mail')
  await slow.send(SLOW_DOMAINS.map((domain) => `bob@${domain}`))
  await hanging!.until(() => hanging!.connections === 4)

  await fine.send(['zoe@fine.test'])
  expect(await taking!.mail()).toMatchObject({ to: ['zoe@fine.test'] })
  expect(hanging!.connections).toBe(4)

  hanging!.behaviour = {}
  hanging!.hangUp()
  await hanging!.until(() => hanging!.messages.length >= 4)
})

test('test requests of one pod use half of those that may run at once', async () => {
  await using sink = await startWebhookSink(() => undefined)
  const ask = async ({ apiKey, agentmail }: Awaited<ReturnType<typeof addPod>>) => {
    const { webhookId } = await agentmail.webhooks.create({ url: sink.url, eventTypes: [] })
    return () => world.request('POST', `/v0/webhooks/${webhookId}/test`, { key: apiKey })
  }
  const slow = await ask(await addPod('slow-tests'))
  const fine = await ask(await addPod('fine-tests'))
  const held = [slow(), slow()]
  await sink.count(2)
  expect(await slow()).toMatchObject({ status: 429, body: { code: 'too_many_at_once' } })
  held.push(fine())
  await sink.count(3)
  await sink[Symbol.asyncDispose]()
  for (const { status } of await Promise.all(held)) expect(status).toBe(200)
})
