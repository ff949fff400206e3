/** Tests Martlet's own queue routes. In capture mode every message to an external address is held in the queue. */
import { expect, onTestFinished, test } from 'vitest'
import { FakeMx } from '../../support/fake-mx.ts'
import { sharedByFile } from '../../support/shared-by-file.ts'
import { startWorld, type World } from '../../support/world.ts'

const sharedWorld = sharedByFile(() => startWorld())
let inboxCount = 0

/** Creates two inboxes at the shared server. Its queue has nothing else, and is empty after the test. */
async function holdMail() {
  const world = await sharedWorld()
  onTestFinished(async () => {
    await world.request('POST', '/v0/queue/cancel', { body: { all: true } })
  })
  return sendHeld(world)
}

/** Sends from two new inboxes to external addresses. Resolves when all recipients are held. */
async function sendHeld(world: World) {
  inboxCount += 1
  const ada = await world.agentmail.inboxes.create({ username: `ada${inboxCount}` })
  const bob = await world.agentmail.inboxes.create({ username: `bob${inboxCount}` })
  const send = (from: string, to: string[], subject: string) =>
    world.agentmail.inboxes.messages.send(from, { to, subject, text: 'x' })
  // Polls the list and does not count events: the recipients of a message can be held together or one after another.
  const held = (count: number) => expect.poll(() => listed(world, '/v0/queue?state=held')).toHaveLength(count)
  const first = await send(ada.inboxId, ['ann@example.test', 'zoe@example.com'], 'first')
  await held(2)
  const second = await send(bob.inboxId, ['ann@example.test'], 'second')
  await held(3)
  return { world, ada: ada.inboxId, bob: bob.inboxId, podId: ada.podId, first, second }
}

async function listed(world: World, path: string, key?: string) {
  const { status, body } = await world.request('GET', path, key === undefined ? {} : { key })
  expect(status, JSON.stringify(body)).toBe(200)
  return body.recipients.map((each: { recipient: string }) => each.recipient)
}

test('a queued recipient is listed with its inbox, its message and the reason why it waits', async () => {
  const { world, ada, first } = await holdMail()
  const { status, body } = await world.request('GET', '/v0/queue?ascending=true&domain=example.com')
  expect(status).toBe(200)
  expect(body).toEqual({
    count: 1,
    limit: 50,
    recipients: [
      {
        recipient_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        recipient: 'zoe@example.com',
        state: 'held',
        kind: 'message',
        inbox_id: ada,
        message_id: first.messageId,
        thread_id: first.threadId,
        subject: 'first',
        attempts: 1,
        last_reply: 'Held: no route; see MARTLET_OUTBOUND',
        created_at: expect.stringMatching(/Z$/),
        updated_at: expect.stringMatching(/Z$/),
      },
    ],
  })
})

test('the queue is listed with pages and filters, on every path', async () => {
  const { world, ada, bob, podId, first } = await holdMail()
  const seen: string[] = []
  let token = ''
  do {
    const { body } = await world.request('GET', `/v0/queue?limit=1&page_token=${token}`)
    seen.push(...body.recipients.map((each: { recipient_id: string }) => each.recipient_id))
    token = body.next_page_token ?? ''
  } while (token)
  expect(new Set(seen).size).toBe(3)

  const id = encodeURIComponent(first.messageId)
  expect(await listed(world, '/v0/queue')).toHaveLength(3)
  expect(await listed(world, `/v0/pods/${podId}/queue`)).toHaveLength(3)
  expect(await listed(world, `/v0/inboxes/${bob}/queue`)).toEqual(['ann@example.test'])
  expect(await listed(world, `/v0/queue?inbox_id=${bob}`)).toEqual(['ann@example.test'])
  expect(await listed(world, '/v0/queue?state=queued')).toEqual([])
  expect(await listed(world, '/v0/queue?state=held')).toHaveLength(3)
  expect((await listed(world, `/v0/inboxes/${ada}/queue?message_id=${id}`)).sort()).toEqual([
    'ann@example.test',
    'zoe@example.com',
  ])
  const other = await world.request('POST', '/v0/pods', { body: { name: 'other' } })
  expect(await listed(world, `/v0/pods/${other.body.pod_id}/queue`)).toEqual([])
  for (const [path, status] of [
    [`/v0/queue?message_id=${id}`, 400],
    ['/v0/queue?state=delivered', 400],
    ['/v0/queue?page_token=x', 400],
    ['/v0/queue?inbox_id=none@mail.localhost', 404],
    [`/v0/inboxes/${ada}/queue?inbox_id=${bob}`, 404],
    [`/v0/pods/${other.body.pod_id}/queue?inbox_id=${bob}`, 404],
  ] as const) {
    expect(await world.request('GET', path), path).toMatchObject({ status })
  }
})

test('a key lists and changes only the recipients in its scope', async () => {
  const { world, ada, bob } = await holdMail()
  const { body } = await world.request('POST', `/v0/inboxes/${bob}/api-keys`, { body: { name: 'bob' } })
  const key = body.api_key
  expect(await listed(world, '/v0/queue', key)).toEqual(['ann@example.test'])
  expect(await world.request('GET', `/v0/inboxes/${ada}/queue`, { key })).toMatchObject({ status: 404 })
  const cancelled = await world.request('POST', '/v0/queue/cancel', { key, body: { all: true } })
  expect(cancelled).toMatchObject({ status: 200, body: { changed: 1 } })
  expect(await listed(world, '/v0/queue')).toHaveLength(2)

  const reader = await world.request('POST', '/v0/api-keys', {
    body: { name: 'reader', permissions: { message_read: true } },
  })
  const refused = await world.request('POST', '/v0/queue/cancel', { key: reader.body.api_key, body: { all: true } })
  expect(refused).toMatchObject({ status: 403, body: { fix: expect.stringContaining('"message_send"') } })
})

test('a key that may not read trash neither lists nor changes recipients of a message in trash', async () => {
  const { world, ada, first } = await holdMail()
  const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent(first.messageId)}`
  expect((await world.request('PATCH', path, { body: { add_labels: ['trash'] } })).status).toBe(200)
  const permissions = { inbox_read: true, message_read: true, message_send: true }
  const { body } = await world.request('POST', '/v0/api-keys', { body: { permissions } })
  const key = body.api_key

  expect(await listed(world, '/v0/queue', key)).toEqual(['ann@example.test'])
  expect(await listed(world, `/v0/inboxes/${ada}/queue`, key)).toEqual([])
  const cancelled = await world.request('POST', '/v0/queue/cancel', { key, body: { all: true } })
  expect(cancelled).toMatchObject({ status: 200, body: { changed: 1 } })
  expect((await listed(world, '/v0/queue?state=held')).toSorted()).toEqual(['ann@example.test', 'zoe@example.com'])
})

test('the recipients of one message are released or cancelled, all of them or some', async () => {
  await using relay = new FakeMx({})
  await relay.listen('127.0.0.1', 0)
  const env = { MARTLET_RELAY_URL: `smtp://127.0.0.1:${relay.port}` }
  await using world = await startWorld({ env })
  const { ada, bob, first } = await sendHeld(world)
  const socket = await world.subscribe({ eventTypes: ['message.released', 'message.cancelled'] })
  const deliveries = `/v0/inboxes/${ada}/messages/${encodeURIComponent(first.messageId)}/deliveries`
  const one = await world.request('POST', `${deliveries}/cancel`, { body: { recipients: ['zoe@example.com'] } })
  expect(one).toMatchObject({ status: 200, body: { changed: 1 } })
  expect((await socket.next('message.cancelled')).cancellation).toEqual({
    inbox_id: ada,
    thread_id: first.threadId,
    message_id: first.messageId,
    timestamp: expect.stringMatching(/Z$/),
    recipients: ['zoe@example.com'],
  })
  const rest = await world.request('POST', `${deliveries}/release`, { body: { route: 'relay' } })
  expect(rest.body).toEqual({ changed: 1 })
  expect((await socket.next('message.released')).release).toMatchObject({ recipients: ['ann@example.test'] })

  const { body } = await world.request('GET', deliveries)
  const byRecipient = Object.fromEntries(
    body.deliveries.map((delivery: { recipient: string }) => [delivery.recipient, delivery]),
  )
  expect(byRecipient['zoe@example.com']).toMatchObject({
    recipient_id: expect.any(String),
    state: 'cancelled',
    last_reply: expect.stringMatching(/^Cancelled by key:/),
    history: [
      { attempt: 1, target: 'capture', outcome: 'held' },
      { attempt: 2, target: 'queue', outcome: 'cancelled' },
    ],
  })
  expect(byRecipient['ann@example.test']).toMatchObject({ route: 'relay' })
  expect(await world.request('POST', `${deliveries.replace(ada, bob)}/hold`)).toMatchObject({ status: 404 })
})

test('an invalid selection, route or method is refused', async () => {
  const { world } = await holdMail()
  for (const [action, body] of [
    ['cancel', {}],
    ['cancel', { state: 'held' }],
    ['release', { all: true, route: 'pigeon' }],
    ['hold', { all: true, route: 'direct' }],
    ['hold', { recipient_ids: 'x' }],
    ['hold', { message_id: 'x' }],
  ] as const) {
    const answer = await world.request('POST', `/v0/queue/${action}`, { body })
    expect(answer, JSON.stringify(body)).toMatchObject({ status: 400, body: { code: 'validation_error' } })
  }
  expect(await world.request('POST', '/v0/queue/explode', { body: { all: true } })).toMatchObject({ status: 404 })
  const wrong = await world.request('GET', '/v0/queue/hold')
  expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST'])
  expect(await listed(world, '/v0/queue')).toHaveLength(3)
})

test('the API description includes the queue routes', async () => {
  const world = await sharedWorld()
  const { body } = await world.request('GET', '/v0/openapi.json')
  const paths = Object.keys(body.paths).filter((path) => /queue|deliveries/.test(path))
  expect(paths).toContain('/v0/queue/release')
  expect(paths).toContain('/v0/inboxes/{inbox_id}/messages/{message_id}/deliveries/retry')
  expect(paths).toContain('/v0/pods/{pod_id}/queue')
})
