/**
 * Tests events without a WebSocket, with a whole server and real connections: pages, long polls and server-sent events
 * return the same bytes as sockets, and a client that reconnects misses nothing.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { seeded } from '../events/feed-world.ts'
import { openEventSource, type StreamedEvent } from '../support/event-source.ts'
import { sharedByFile } from '../support/shared-by-file.ts'
import { startWorld, type World } from '../support/world.ts'

const ADA = 'ada@mail.localhost'

/** For tests that read no list of all events, and end their subscriptions. */
const sharedWorld = sharedByFile(() => startWorld())

test('list, long poll, stream and socket return the same events: ids, cursors, order and bytes', async () => {
  await using world = await startWorld()
  const inbox = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe()
  const texts: string[] = []
  socket.raw.on('message', (data) => texts.push(String(data)))
  await using stream = await openEventSource(`${world.url}/v0/events/stream`, { key: world.rootKey })
  await stream.next('subscribed')
  const polled: string[] = []
  let cursor = ''
  const poll = async () => {
    const { body } = await rawPage(world, `wait_seconds=20${cursor && `&after=${cursor}`}`)
    polled.push(...body.texts)
    cursor = body.cursor
  }

  for (let number = 1; number <= 6; number++) {
    const polling = poll()
    await world.smtp.send({ to: inbox.email, subject: `mail ${number}`, text: 'grüße “\u2028”' })
    await polling
    if (number === 3) await world.agentmail.inboxes.messages.send(inbox.inboxId, { to: inbox.email, text: 'to myself' })
  }
  while (polled.length < 9) await poll() // the message to itself causes three events: sent, received, delivered
  await expect.poll(() => stream.events.length).toBe(polled.length + 1)
  await expect.poll(() => texts.length).toBe(polled.length)

  const listed = (await rawPage(world, 'limit=100')).body.texts
  const streamed = stream.events.filter((event) => event.type === 'message')
  expect(polled).toEqual(listed)
  expect(texts).toEqual(listed)
  expect(streamed.map((event) => event.data)).toEqual(listed)
  expect(streamed.map((event) => event.lastEventId)).toEqual(listed.map((text) => JSON.parse(text).cursor))
})

// It named `after`, which the request did not have.
test('an invalid cursor is reported where it was sent: in the query, or in Last-Event-ID', async () => {
  const world = await sharedWorld()
  for (const [query, headers, path] of [
    ['?after=wrong', {}, 'after'],
    ['?after=latest', { 'last-event-id': 'wrong' }, 'Last-Event-ID'],
  ] as const) {
    const { status, body } = await world.request('GET', `/v0/events/stream${query}`, { headers })
    expect([status, body.code]).toEqual([400, 'validation_error'])
    expect(body.errors).toEqual([{ path: [path], message: 'The cursor is invalid' }])
    expect(body.fix).toContain('not its event_id')
  }
})

test('the events of a deleted message no longer include its content', async () => {
  await using world = await startWorld()
  await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ to: ADA, subject: 'mail', text: 'eyes only' })
  const { body: before } = await world.request('GET', '/v0/events')
  expect(before.events[0].message.text).toContain('eyes only')

  await world.agentmail.inboxes.messages.delete(ADA, before.events[0].message.message_id)
  const { body: after } = await world.request('GET', '/v0/events')
  expect(after.events[0]).toMatchObject({ event_id: before.events[0].event_id, message: { deleted: true } })
  expect(JSON.stringify(after.events[0].message)).not.toContain('eyes only')
})

test('a stream that breaks many times while messages arrive misses nothing and repeats nothing', async () => {
  await using world = await startWorld()
  await world.agentmail.inboxes.create({ username: 'ada' })
  const random = seeded(3)
  const total = 80
  const received: StreamedEvent[] = []
  let lastEventId = ''
  let connections = 0
  const sending = Promise.all(
    [0, 1].map(async () => {
      for (let number = 0; number < total / 2; number++) await world.smtp.send({ to: ADA, subject: 'x', text: 'x' })
    }),
  )
  while (received.length < total) {
    // The first connection has no Last-Event-ID and starts at `earliest`; it may break before it gets an event.
    await using source = await openEventSource(
      `${world.url}/v0/events/stream${connections === 0 ? '?after=earliest' : ''}`,
      {
        key: world.rootKey,
        lastEventId,
      },
    )
    connections += 1
    await source.next('subscribed')
    const most = received.length + Math.floor(random() * 6)
    while (received.length < Math.min(most, total)) received.push(await source.next('message'))
    lastEventId = received.at(-1)?.lastEventId ?? source.lastEventId // unread events are lost
  }
  await sending
  const listed = await rawPage(world, 'limit=500')
  expect(received.map(({ data }) => data)).toEqual(listed.body.texts)
  expect(connections).toBeGreaterThan(10)
})

test('a stop ends streams cleanly, and a client that has received no event resumes without a gap', async () => {
  await using world = await startWorld()
  await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ to: ADA, subject: 'before', text: 'x' })
  const source = await openEventSource(`${world.url}/v0/events/stream?api_key=${world.rootKey}`)
  await source.next('subscribed')
  const polled = rawPage(world, `wait_seconds=60&after=${source.lastEventId}`)
  await expect.poll(() => gauge(world, 'martlet_event_subscriptions')).toBe(2)

  await world.restart()
  expect(await source.ended).toBe('whole')
  expect((await polled).body).toEqual({ texts: [], cursor: source.lastEventId })
  await world.smtp.send({ to: ADA, subject: 'between', text: 'x' })
  const { lastEventId } = source
  await using again = await openEventSource(`${world.url}/v0/events/stream`, { key: world.rootKey, lastEventId })
  expect(JSON.parse((await again.next('message')).data)).toMatchObject({ message: { subject: 'between' } })
})

test('a revoked key ends its streams and long polls at once, and cannot reconnect', async () => {
  const world = await sharedWorld()
  const { body: key } = await world.request('POST', '/v0/api-keys', { body: { name: 'k' } })
  await using source = await openEventSource(`${world.url}/v0/events/stream`, { key: key.api_key })
  await source.next('subscribed')
  const waiting = world.request('GET', '/v0/events?wait_seconds=60', { key: key.api_key })
  await expect.poll(() => gauge(world, 'martlet_event_subscriptions')).toBe(2)
  expect(await gauge(world, 'martlet_event_streams')).toBe(1)
  await world.request('DELETE', `/v0/api-keys/${key.api_key_id}`)

  expect(JSON.parse((await source.next('end')).data)).toEqual({ reason: 'revoked' })
  expect(await source.ended).toBe('whole')
  expect((await waiting).status).toBe(401)
  await expect.poll(() => gauge(world, 'martlet_event_streams')).toBe(0)
  expect(await gauge(world, 'martlet_event_subscriptions')).toBe(0)
  const { lastEventId } = source
  const again = await openEventSource(`${world.url}/v0/events/stream`, { key: key.api_key, lastEventId })
  expect([again.status, again.refusal.name]).toEqual([401, 'UnauthorizedError'])
})

test('a long poll that disconnects leaves no subscription', async () => {
  const world = await sharedWorld()
  const abort = new AbortController()
  const headers = { authorization: `Bearer ${world.rootKey}` }
  const asked = fetch(`${world.url}/v0/events?wait_seconds=60`, { headers, signal: abort.signal })
  const cut = expect(asked).rejects.toThrow()
  await expect.poll(() => gauge(world, 'martlet_event_subscriptions')).toBe(1)
  abort.abort()
  await cut
  await expect.poll(() => gauge(world, 'martlet_event_subscriptions')).toBe(0)
})

test('rendering a page of large messages does not block other requests', async () => {
  await using world = await startWorld()
  await world.agentmail.inboxes.create({ username: 'ada' })
  const text = 'large, but it packs well\n'.repeat(50_000)
  for (let number = 0; number < 12; number++) await world.smtp.send({ to: ADA, subject: 'large', text })

  let [longestMs, last, isOver] = [0, performance.now(), false]
  const turn = () => {
    longestMs = Math.max(longestMs, performance.now() - last)
    last = performance.now()
    if (!isOver) setImmediate(turn)
  }
  const start = performance.now()
  setImmediate(turn)
  const { body } = await world.request('GET', '/v0/events?limit=100')
  isOver = true
  expect(body.count).toBe(12)
  expect(body.events[0].truncated).toBe(true)
  // Without pauses between events, the longest block was more than nine tenths of the whole time.
  expect(longestMs).toBeLessThan((performance.now() - start) * 0.7)
})

test('a client that disconnects before its stream has begun leaves no subscription', async () => {
  const world = await sharedWorld()
  const listening = async () => {
    const { body } = await world.request('GET', '/metrics')
    return Number(/^martlet_event_subscriptions (\d+)$/m.exec(body)![1])
  }
  const before = await listening()
  const { port, host } = new URL(world.url)
  const hangUp = async (afterMs: number) => {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => undefined)
    await once(socket, 'connect')
    socket.write(`GET /v0/events/stream HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${world.rootKey}\r\n\r\n`)
    setTimeout(() => socket.resetAndDestroy(), afterMs)
    await once(socket, 'close')
  }
  for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 30 }, (_, index) => hangUp(index)))
  await expect.poll(listening).toBe(before)
})

test('filters are accepted in every list form of the clients, and have the same meaning as on a socket', async () => {
  await using world = await startWorld()
  await world.agentmail.inboxes.create({ username: 'ada' })
  await world.agentmail.inboxes.create({ username: 'bob' })
  await world.agentmail.inboxes.create({ username: 'eve' })
  for (const name of ['ada', 'bob', 'eve'])
    await world.smtp.send({ to: `${name}@mail.localhost`, subject: name, text: 'x' })
  const names = async (query: string) => {
    const { body } = await rawPage(world, query)
    return body.texts.map((text) => JSON.parse(text).message?.subject ?? JSON.parse(text).event_type)
  }
  const two = ['ada', 'bob']
  const [ada, bob] = two.map((name) => encodeURIComponent(`${name}@mail.localhost`))
  expect(await names(`inbox_ids=${ada}&inbox_ids=${bob}`)).toEqual(two)
  expect(await names(`inbox_ids=${ada},${bob}`)).toEqual(two)
  expect(await names(`inbox_ids[]=${ada}&inbox_ids[]=${bob}`)).toEqual(two)
  expect(await names(`inbox_ids=${encodeURIComponent('["ada@mail.localhost","bob@mail.localhost"]')}`)).toEqual(two)
  expect(await names('event_types=inbox.created&event_types=message.received')).toEqual([
    ...['inbox.created', 'inbox.created', 'inbox.created', 'ada', 'bob', 'eve'],
  ])
  expect(await names('')).toEqual(['ada', 'bob', 'eve'])
  const { body } = await world.request('GET', '/v0/events?limit=2')
  expect(body).toMatchObject({ count: 2, cursor: body.events[1].cursor })
})

test('a time range in ISO 8601 includes its start and excludes its end', async () => {
  let now = Date.UTC(2026, 0, 1)
  await using world = await startWorld({ clock: () => now })
  await world.agentmail.inboxes.create({ username: 'ada' })
  for (const subject of ['one', 'two', 'three']) {
    await world.smtp.send({ to: ADA, subject, text: 'x' })
    now += 3_600_000
  }
  const { body } = await rawPage(world, 'start=2026-01-01T01:00:00Z&end=2026-01-01T02:00:00Z&wait_seconds=60')
  expect(body.texts.map((text) => JSON.parse(text).message.subject)).toEqual(['two'])
})

test('an invalid or forbidden request is refused with the documented code', async () => {
  const world = await sharedWorld()
  const { body: key } = await world.request('POST', '/v0/api-keys', {
    body: { name: 'k', permissions: { inbox_read: true } },
  })
  const { body: some } = await world.request('POST', '/v0/api-keys', {
    body: { name: 's', permissions: { message_read: true } },
  })
  for (const path of ['/v0/events', '/v0/events/stream']) {
    const answer = async (query: string, as = world.rootKey) => {
      const { status, body } = await world.request('GET', `${path}?${query}`, { key: as })
      return [status, body.code]
    }
    expect(await answer('after=nonsense')).toEqual([400, 'validation_error'])
    const elsewhere = Buffer.from('1.another.1.').toString('base64url')
    expect(await answer(`after=${elsewhere}`)).toEqual([400, 'cursor_expired'])
    expect(await answer('event_types=no.such')).toEqual([400, 'validation_error'])
    expect(await answer('inbox_ids=nobody@mail.localhost')).toEqual([404, 'not_found'])
    expect(await answer('pod_ids=nobody')).toEqual([404, 'not_found'])
    expect(await answer('', key.api_key)).toEqual([403, 'missing_permission'])
    expect(await answer('event_types=message.received.spam', some.api_key)).toEqual([403, 'missing_permission'])
    expect((await answer('', 'am_us_nobody'))[0]).toBe(401)
    expect((await world.request('POST', path, { body: {} })).status).toBe(405)
  }
  for (const query of [
    'wait_seconds=61',
    'wait_seconds=-1',
    'wait_seconds=1.5',
    'limit=0',
    'start=yesterday',
    'end=2026-02-30T',
  ])
    expect((await world.request('GET', `/v0/events?${query}`)).status, query).toBe(400)
  expect((await world.request('GET', `/v0/events?api_key=${world.rootKey}`, { key: '' })).status).toBe(401)
})

test('the label changes of an inbox are listed, newest first', async () => {
  await using world = await startWorld({ limits: { lists: { scanRowsMax: 4 } } })
  await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ to: ADA, subject: 'x', text: 'x', messageId: '<one@example.test>' })
  const one = `/v0/inboxes/${ADA}/messages/${encodeURIComponent('<one@example.test>')}`
  await world.request('PATCH', one, { body: { add_labels: ['todo'] } })
  for (let number = 0; number < 6; number++) await world.smtp.send({ to: ADA, subject: 'x', text: 'x' })
  await world.request('PATCH', one, { body: { add_labels: ['spam'], remove_labels: ['todo'] } })

  const history = async (key: string, query = '') => {
    const labels: string[] = []
    for (let token = ''; ; ) {
      const path = `/v0/inboxes/${ADA}/events?limit=1${query}${token && `&page_token=${token}`}`
      const { status, body } = await world.request('GET', path, { key })
      expect(status).toBe(200)
      expect(body.count).toBe(body.events.length)
      for (const event of body.events) labels.push(`${event.event_type} ${event.label}`)
      if (!body.next_page_token) return labels
      token = body.next_page_token
    }
  }
  const all = ['label.removed todo', 'label.added spam', 'label.added todo']
  expect(await history(world.rootKey)).toEqual(all)
  expect(await history(world.rootKey, '&ascending=true')).toEqual(all.toReversed())
  const { body: some } = await world.request('POST', '/v0/api-keys', {
    body: { name: 's', permissions: { message_read: true } },
  })
  expect(await history(some.api_key)).toEqual(['label.added spam', 'label.added todo']) // the rest is about spam

  const { body } = await world.request('GET', `/v0/inboxes/${ADA}/events?ascending=true`)
  expect(body.events[0]).toEqual({
    organization_id: expect.any(String),
    pod_id: expect.any(String),
    inbox_id: ADA,
    event_id: expect.stringMatching(/^evt_/),
    event_type: 'label.added',
    message_id: '<one@example.test>',
    label: 'todo',
    event_at: expect.stringMatching(/Z$/),
    created_at: expect.stringMatching(/Z$/),
  })
  const [newest] = (await world.agentmail.inboxes.events.list(ADA)).events
  expect(newest).toMatchObject({ eventType: 'label.removed', label: 'todo', eventAt: expect.any(Date) })
  expect((await world.request('GET', '/v0/inboxes/nobody@mail.localhost/events')).status).toBe(404)
})

async function gauge(world: World, name: string): Promise<number> {
  const { body } = await world.request('GET', '/metrics')
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(body)![1])
}

/** Returns a page with the exact text of each event. */
async function rawPage(world: { url: string; rootKey: string }, query: string) {
  const response = await fetch(`${world.url}/v0/events?${query}`, {
    headers: { authorization: `Bearer ${world.rootKey}` },
  })
  const text = await response.text()
  const { events, cursor, count } = JSON.parse(text) as { events: object[]; cursor: string; count: number }
  const texts = events.map((event) => JSON.stringify(event))
  for (const each of texts) expect(text).toContain(each)
  expect(count).toBe(texts.length)
  return { status: response.status, body: { texts, cursor } }
}

test.each(['events', 'messages'])('a forged page token is refused: %s', async (list) => {
  const world = await sharedWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: `forged-${list}` })
  for (const subject of ['one', 'two']) await world.smtp.send({ to: inboxId, subject, text: 'x' })
  const { messages } = await world.agentmail.inboxes.messages.list(inboxId)
  for (const { messageId } of messages)
    await world.agentmail.inboxes.messages.update(inboxId, messageId, { addLabels: ['todo'] })
  const path = `/v0/inboxes/${inboxId}/${list}?limit=1`
  const { body } = await world.request('GET', path)
  const [version, hash, , id] = JSON.parse(Buffer.from(body.next_page_token, 'base64url').toString())
  for (const key of [1.5, 1e300, 'x', null]) {
    const token = Buffer.from(JSON.stringify([version, hash, key, id])).toString('base64url')
    const answer = await world.request('GET', `${path}&page_token=${token}`)
    expect(answer.status).toBe(400)
  }
})
