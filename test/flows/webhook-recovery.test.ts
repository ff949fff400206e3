/** Tests how soon a webhook gets its events after its receiver has failed. */
import { expect, test } from 'vitest'
import { type Answering, ok, startWebhookSink } from '../support/webhook-sink.ts'
import { startWorld, type World } from '../support/world.ts'

const broken: Answering = (response) => void response.writeHead(500).end()

// The queue waited for the schedule of its first delivery, up to hours after the receiver was back.
test('the receiver of an ordered webhook is probed while it fails, and gets all that waits when it answers', async () => {
  await using sink = await startWebhookSink(broken)
  await using world = await startWorld({ limits: { webhooks: { probeMsMin: 5, probeMsMax: 20, pauseMsMax: 20 } } })
  const { receive, deliveries } = await hookUp(world, sink.url, true)
  for (const subject of ['one', 'two', 'three']) await receive(subject)
  const calls = await sink.count(6)
  expect(new Set(calls.map(({ event }) => event.message.subject))).toEqual(new Set(['one']))
  const waiting = (await deliveries()).at(-1)
  expect(waiting).toMatchObject({ state: 'pending', attempts: [{ attempt: 1, outcome: 'retry', status_code: 500 }] })
  expect(Date.parse(waiting.next_attempt_at) - Date.parse(waiting.attempts[0].started_at)).toBeLessThan(5_000)

  sink.answer = ok
  await expect.poll(async () => (await deliveries()).map(({ state }) => state)).toEqual(Array(3).fill('delivered'))
  expect(sink.calls.slice(-3).map(({ event }) => event.message.subject)).toEqual(['one', 'two', 'three'])
  expect((await deliveries()).at(-1).attempts).toMatchObject([{ outcome: 'retry' }, { outcome: 'delivered' }])
})

// After a failure it got one request at a time, until one succeeded.
test('after one failed request, a webhook that works otherwise still gets several at once', async () => {
  await using sink = await startWebhookSink((response, call) => {
    const { subject } = call.event.message
    if (subject === 'accepted') ok(response, call)
    else if (subject === 'refused') broken(response, call)
    // every other request stays open
  })
  await using world = await startWorld({ limits: { server: { shutdownGraceMs: 50 } } })
  const { receive, deliveries } = await hookUp(world, sink.url, false)
  await receive('open')
  for (const [subject, outcome] of Object.entries({ accepted: 'delivered', refused: 'retry' })) {
    await receive(subject)
    await expect.poll(async () => (await deliveries())[0]?.attempts[0]?.outcome).toBe(outcome)
  }
  const subjects = ['a', 'b', 'c', 'd']
  for (const subject of subjects) await receive(subject)
  const calls = await sink.count(7) // 5 of at most 10 at once
  expect(
    calls
      .slice(3)
      .map(({ event }) => event.message.subject)
      .sort(),
  ).toEqual(subjects)
})

async function hookUp(world: World, url: string, ordered: boolean) {
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const body = { url, event_types: ['message.received'], ordered }
  const webhook = (await world.request('POST', '/v0/webhooks', { body })).body
  return {
    receive: (subject: string) => world.smtp.send({ to: ada.email, subject, text: 'x' }),
    /** Newest first. */
    // biome-ignore lint/suspicious/noExplicitAny: tests read any response
    deliveries: async (): Promise<any[]> =>
      (await world.request('GET', `/v0/webhooks/${webhook.webhook_id}/deliveries`)).body.deliveries,
  }
}
