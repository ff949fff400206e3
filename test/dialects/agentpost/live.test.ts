/**
 * Tests the WebSocket and the webhooks of the AgentPost dialect, on one server: frames by bare sockets, and requests by a
 * real receiver. Every test has inboxes of its own.
 */
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { fromBase32, toBase32 } from '../../../src/formats/base32-ids.ts'
import { openSocket, type TestSocket } from '../../support/socket-client.ts'
import { changeRows } from '../../support/test-database.ts'
import { startWebhookSink, type WebhookSink } from '../../support/webhook-sink.ts'
import { startWorld, type World } from '../../support/world.ts'

let world: World
let sink: WebhookSink
const sockets: TestSocket[] = []
const time = { offset: 0 }

beforeAll(async () => {
  sink = await startWebhookSink()
  const clock = () => Date.now() + time.offset
  world = await startWorld({ clock, limits: { sockets: { heartbeatMs: 100 }, webhooks: { pollMs: 50 } } })
})
afterAll(async () => {
  for (const socket of sockets) socket.close()
  await world[Symbol.asyncDispose]()
  await sink[Symbol.asyncDispose]()
})

async function ok(method: string, path: string, body?: unknown, key?: string) {
  const options = { ...(body !== undefined && { body }), ...(key !== undefined && { key }) }
  const answer = await world.request(method, `/api/v1${path}`, options)
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
  return answer.body
}

const makeInbox = (username: string, more: object = {}) => ok('POST', '/inboxes', { username, ...more })

const socketUrl = (token: string) => `${world.url.replace('http', 'ws')}/ws?token=${token}`

/** Opens a socket as clients do: the key is only in the URL. */
async function connect(key: string = world.rootKey): Promise<TestSocket> {
  const socket = await openSocket(socketUrl(key), undefined)
  sockets.push(socket)
  return socket
}

async function subscribe(socket: TestSocket, filter: object = {}) {
  socket.send({ type: 'subscribe', ...filter })
  return socket.nextFrame(({ type }) => type === 'subscribed' || type === 'error')
}

const nextEvent = (socket: TestSocket) => socket.nextFrame(({ type }) => type === 'event')

/** Returns the subjects of the next events, in the order in which they arrive. */
async function nextSubjects(socket: TestSocket, count: number): Promise<string[]> {
  const subjects: string[] = []
  while (subjects.length < count) subjects.push((await nextEvent(socket)).data.data.subject)
  return subjects
}

const receive = (inbox: { email: string }, subject: string, more: object = {}) =>
  world.smtp.send({ to: inbox.email, subject, text: `text of ${subject}`, ...more })

const ULID = '[0-7][0-9A-HJKMNP-TV-Z]{25}'
const id = (prefix: string) => expect.stringMatching(new RegExp(`^${prefix}_${ULID}$`))
const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

describe('the WebSocket', () => {
  test('a received message is an event with the whole envelope', async () => {
    const inbox = await makeInbox('enveloped')
    const socket = await connect()
    expect(await subscribe(socket, { event_types: ['message.received'], inbox_id: inbox.id })).toEqual({
      ...{ type: 'subscribed', event_types: ['message.received'], inbox_id: inbox.id, cursor: expect.any(String) },
    })
    await receive(inbox, 'Hello', {
      from: 'Ann <ann@example.test>',
      inReplyTo: '<1@x.test>',
      text: 'Yes.\n\nOn Mon, 2 Nov 2026, Bob <bob@x.test> wrote:\n> Well?\n',
    })
    const frame = await nextEvent(socket)
    expect(frame).toEqual({
      type: 'event',
      cursor: expect.any(String),
      data: {
        ...{ id: id('evt'), type: 'message.received', timestamp: iso, org_id: id('org'), env_id: inbox.environment_id },
        data: {
          ...{ message_id: id('msg'), thread_id: id('thr'), inbox_id: inbox.id, from_address: 'ann@example.test' },
          ...{ to_addresses: [inbox.email], subject: 'Hello', extracted_text: 'Yes.', has_attachments: false },
          ...{ labels: ['received', 'unread'], received_at: iso },
        },
      },
    })
    expect(await ok('GET', `/messages/${frame.data.data.message_id}`)).toMatchObject({ subject: 'Hello' })
  })

  test('what is sent, delivered and bounced is an event', async () => {
    const [from, to] = [await makeInbox('outgoing'), await makeInbox('incoming')]
    const socket = await connect()
    await subscribe(socket, { inbox_id: from.id })
    const send = (address: string) =>
      ok('POST', `/inboxes/${from.id}/messages`, { to: [{ email: address }], subject: 's', text_body: 't' })
    const sent = await send(to.email)
    const about = { message_id: sent.id, thread_id: sent.thread_id, inbox_id: from.id }
    expect((await nextEvent(socket)).data).toMatchObject({
      type: 'message.sent',
      data: { ...about, to_addresses: [to.email] },
    })
    expect((await nextEvent(socket)).data).toMatchObject({ type: 'message.delivered', data: about })
    await send('nobody@mail.localhost')
    expect((await nextEvent(socket)).data).toMatchObject({ type: 'message.sent' })
    expect((await nextEvent(socket)).data).toMatchObject({
      type: 'message.bounced',
      data: { bounce_type: 'permanent', bounced_recipients: [{ email_address: 'nobody@mail.localhost' }] },
    })
  })

  test('several subscribes add up, in order, and none sends an event twice', async () => {
    const [one, two, three] = [await makeInbox('add-one'), await makeInbox('add-two'), await makeInbox('add-three')]
    const socket = await connect()
    await subscribe(socket, { inbox_id: one.id })
    await receive(two, 'before')
    await receive(one, '1')
    await subscribe(socket, { inbox_id: two.id, event_types: ['message.received'] })
    await receive(three, 'other')
    await receive(two, '2')
    await receive(one, '3')
    await subscribe(socket, { inbox_id: one.id })
    await receive(one, '4')
    await receive(two, '5')
    expect(await nextSubjects(socket, 5)).toEqual(['1', '2', '3', '4', '5'])
    await subscribe(socket)
    await receive(three, '6')
    expect(await nextSubjects(socket, 1)).toEqual(['6'])
  })

  test('every filter counts: types, inbox and environments, together and alone', async () => {
    const environment = await ok('POST', '/environments', { name: 'Live', slug: 'live' })
    const inside = await makeInbox('inside', { environment_id: environment.id })
    const outside = await makeInbox('outside')
    const open = async (filter: object) => {
      const socket = await connect()
      expect((await subscribe(socket, filter)).type).toBe('subscribed')
      return socket
    }
    const byEnvironment = await open({ environment_ids: [environment.id] })
    const both = await open({ inbox_id: inside.id, environment_ids: [environment.id] })
    const neither = await open({ inbox_id: outside.id, environment_ids: [environment.id] })
    const byType = await open({ event_types: ['message.sent'] })
    await receive(outside, 'out')
    await receive(inside, 'in')
    await ok('POST', `/inboxes/${inside.id}/messages`, { to: 'a@b.test', text_body: 'x' })
    expect(await nextSubjects(byEnvironment, 1)).toEqual(['in'])
    expect(await nextSubjects(both, 1)).toEqual(['in'])
    expect((await nextEvent(byType)).data.type).toBe('message.sent')
    expect(neither.pending.filter(({ type }) => type === 'event')).toEqual([])
  })

  test('a client that reconnects with its cursor gets what it missed', async () => {
    const inbox = await makeInbox('resumed')
    const first = await connect()
    await subscribe(first, { inbox_id: inbox.id })
    await receive(inbox, '1')
    const { cursor } = await nextEvent(first)
    first.close()
    await receive(inbox, '2')
    await receive(inbox, '3')
    const second = await connect()
    await subscribe(second, { inbox_id: inbox.id, after: cursor })
    expect(await nextSubjects(second, 2)).toEqual(['2', '3'])
    expect(await subscribe(second, { after: 'nonsense' })).toMatchObject({ type: 'error' })
    await receive(inbox, '4')
    expect(await nextSubjects(second, 1)).toEqual(['4'])
  })

  test('heartbeats are JSON frames; pongs are accepted, and their absence closes nothing', async () => {
    const [answering, silent] = [await connect(), await connect()]
    for (let count = 0; count < 3; count += 1) {
      await Promise.all([answering, silent].map((socket) => socket.nextFrame(({ type }) => type === 'ping')))
      answering.send({ type: 'pong' })
    }
    answering.send({ type: 'ping' })
    await answering.nextFrame(({ type }) => type === 'pong')
    for (const socket of [answering, silent]) expect(socket.raw.readyState).toBe(WebSocket.OPEN)
  })

  test('a frame that is refused gets an error with a type, and the socket stays open', async () => {
    const socket = await connect()
    for (const [frame, code] of [
      [{ type: 'unsubscribe' }, 'validation_error'],
      [{ type: 'subscribe', event_types: 5 }, 'validation_error'],
      [{ type: 'subscribe', event_types: ['label.added'] }, 'validation_error'],
      [{ type: 'subscribe', event_types: ['message.received.spam'] }, 'validation_error'],
      [{ type: 'subscribe', inbox_id: 'inb_1' }, 'not_found'],
      [{ type: 'subscribe', inbox_id: 'inb_01ARZ3NDEKTSV4RRFFQ69G5FAV' }, 'not_found'],
      [{ type: 'subscribe', environment_ids: ['x'] }, 'not_found'],
      [[], 'validation_error'],
    ] as const) {
      socket.send(frame)
      expect(await socket.nextFrame(({ type }) => type === 'error')).toMatchObject({ error: { code } })
    }
    const { error } = await subscribe(socket, { environment_ids: ['env_01ARZ3NDEKTSV4RRFFQ69G5FAV'] })
    expect(error.message).toBe('Environment not found') // and no pod, which clients do not know
    socket.raw.send('not json')
    await socket.nextFrame(({ type }) => type === 'error')
    expect((await subscribe(socket)).type).toBe('subscribed')
  })

  // Clients may send the arguments of the package's `subscribe` as they are: whether it translates them is not documented.
  test('the names of the package filter too, and "subscribed" has them under the names of the protocol', async () => {
    const environment = await ok('POST', '/environments', { name: 'Packaged', slug: 'packaged' })
    const inside = await makeInbox('packaged', { environment_id: environment.id })
    const outside = await makeInbox('unpackaged')
    const filter = { event_types: ['message.received'], environment_ids: [environment.id] }
    for (const unset of [{}, { event_types: [], environment_ids: [] }, { event_types: null, environment_ids: null }]) {
      const socket = await connect()
      const given = { events: filter.event_types, environmentIds: filter.environment_ids, ...unset }
      expect(await subscribe(socket, given)).toEqual({ type: 'subscribed', ...filter, cursor: expect.any(String) })
      await receive(outside, 'out')
      await ok('POST', `/inboxes/${inside.id}/messages`, { to: 'a@b.test', text_body: 'x' })
      await receive(inside, 'in')
      expect((await nextEvent(socket)).data).toMatchObject({ type: 'message.received', data: { subject: 'in' } })
    }
    const socket = await connect()
    for (const wrong of [{ events: 5 }, { events: ['message.held'] }, { environmentIds: [7] }]) {
      expect(await subscribe(socket, wrong)).toMatchObject({ error: { code: 'validation_error' } })
    }
  })

  // They were ignored, and the socket got the events of all inboxes and types.
  test('a filter with the name of another API is refused, and another unknown member is named in "subscribed"', async () => {
    const inbox = await makeInbox('misnamed')
    const socket = await connect()
    for (const [member, meant] of [
      [{ event: ['message.bounced'] }, 'event_types'],
      [{ eventTypes: ['message.bounced'] }, 'event_types'],
      [{ environment_id: inbox.environment_id }, 'environment_ids'],
      [{ environmentId: inbox.environment_id }, 'environment_ids'],
      [{ pod_ids: [inbox.environment_id] }, 'environment_ids'],
      [{ podId: inbox.environment_id }, 'environment_ids'],
      [{ inboxId: inbox.id }, 'inbox_id'],
      [{ inbox_ids: [inbox.id] }, 'inbox_id'],
    ] as const) {
      const [name] = Object.keys(member)
      expect(await subscribe(socket, member), name).toMatchObject({
        type: 'error',
        error: { code: 'validation_error', field: name, message: expect.stringContaining(`write ${meant}. `) },
      })
    }
    const { type, warning } = await subscribe(socket, { inbox_id: inbox.id, id: 7 })
    expect([type, warning]).toEqual(['subscribed', 'unknown members were ignored: id'])
    await receive(await makeInbox('misnamed-other'), 'other')
    await receive(inbox, 'own')
    expect(await nextSubjects(socket, 1)).toEqual(['own'])
  })

  test('a key that is unknown or missing is refused before the handshake', async () => {
    for (const query of ['?token=ap_sk_live_unknown', '', '?api_key=x']) {
      const answer = await new Promise((resolve) => {
        const socket = new WebSocket(`${world.url.replace('http', 'ws')}/ws${query}`)
        socket.on('unexpected-response', async (_request, response) => {
          const chunks: Buffer[] = []
          for await (const chunk of response) chunks.push(chunk)
          resolve({ status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) })
        })
      })
      expect(answer).toMatchObject({ status: 401, body: { error: { code: expect.any(String) } } })
    }
    expect((await world.request('GET', '/ws')).body.error.code).toBe('not_found')
  })

  test('a key sees events of its environment only, and one without the flag for it no mail that was not authenticated', async () => {
    const environment = await ok('POST', '/environments', { name: 'Scoped', slug: 'scoped' })
    const { key } = await ok('POST', '/api-keys', { environment_id: environment.id })
    const inside = await makeInbox('scoped', { environment_id: environment.id })
    const outside = await makeInbox('unscoped')
    const socket = await connect(key)
    await subscribe(socket)
    expect(await subscribe(socket, { inbox_id: outside.id })).toMatchObject({ error: { code: 'not_found' } })
    const { api_key: narrow } = (
      await world.request('POST', '/v0/api-keys', { body: { permissions: { message_read: true } } })
    ).body
    const narrowSocket = await connect(narrow)
    expect((await subscribe(narrowSocket, { event_types: ['message.received'] })).type).toBe('subscribed')
    await receive(outside, 'out')
    await receive(inside, 'in')
    expect(await nextSubjects(socket, 1)).toEqual(['in'])
    expect(await nextSubjects(narrowSocket, 2)).toEqual(['out', 'in'])
  })
})

describe('webhooks', () => {
  test('a webhook is created with its secret, shown without, changed, and hidden from other dialects', async () => {
    const inbox = await makeInbox('hooked')
    const made = await ok('POST', '/webhooks', {
      ...{ url: `${sink.url}/managed`, events: ['message.received'], inbox_id: inbox.id },
    })
    const { secret, ...shown } = made
    expect(secret).toMatch(/^whsec_/)
    expect(shown).toEqual({
      ...{ id: id('whk'), url: `${sink.url}/managed`, event_types: ['message.received'], environment_id: null },
      ...{ inbox_emails: [inbox.email], enabled: true, disabled_reason: null, consecutive_failures: 0 },
      ...{ long_retries: false, created_at: iso, updated_at: iso },
    })
    expect(await ok('GET', `/webhooks/${made.id}`)).toEqual(shown)
    expect((await ok('GET', '/webhooks')).data).toContainEqual(shown)
    const changed = await ok('PATCH', `/webhooks/${made.id}`, {
      ...{ event_types: ['message.sent'], enabled: false, long_retries: true },
    })
    expect(changed).toMatchObject({ event_types: ['message.sent'], enabled: false, long_retries: true })
    expect((await ok('POST', `/webhooks/${made.id}/rotate-secret`)).secret).not.toBe(secret)

    const { webhooks } = (await world.request('GET', '/v0/webhooks')).body
    expect(webhooks).toEqual([])
    const own = (await world.request('POST', '/v0/webhooks', { body: { url: sink.url, event_types: [] } })).body
    expect((await ok('GET', '/webhooks')).data.map((each: { id: string }) => each.id)).toEqual([made.id])
    const uuidOf = (shown: string) => fromBase32(shown.slice('whk_'.length))!
    expect((await world.request('GET', `/v0/webhooks/ep_${uuidOf(made.id)}`)).status).toBe(404)
    const ownHere = `whk_${toBase32(own.webhook_id.slice('ep_'.length))}`
    expect((await world.request('GET', `/api/v1/webhooks/${ownHere}`)).status).toBe(404)
    await world.request('DELETE', `/v0/webhooks/${own.webhook_id}`)
    for (const wrong of [{ url: 'ftp://x' }, { url: sink.url, event_types: ['label.added'] }, {}]) {
      expect((await world.request('POST', '/api/v1/webhooks', { body: wrong })).status).toBe(400)
    }
    expect((await world.request('DELETE', `/api/v1/webhooks/${made.id}`)).status).toBe(204)
    expect((await world.request('GET', `/api/v1/webhooks/${made.id}`)).status).toBe(404)
  })

  test('requests have the envelope, are signed over time and body, and are refused when they are old', async () => {
    const inbox = await makeInbox('signed')
    const made = await ok('POST', '/webhooks', { url: `${sink.url}/signed`, inbox_ids: [inbox.id] })
    await receive(inbox, 'Signed')
    const isMine = ({ path }: { path: string }) => path.endsWith('/signed')
    await expect.poll(() => sink.calls.filter(isMine).length).toBe(1)
    const [call] = sink.calls.filter(isMine)
    expect(call!.event).toMatchObject({
      ...{ id: id('evt'), type: 'message.received', timestamp: iso, org_id: id('org'), env_id: inbox.environment_id },
      data: { inbox_id: inbox.id, subject: 'Signed', extracted_text: 'text of Signed' },
    })
    const signature = call!.headers['x-agentpost-signature'] as string
    const timestamp = call!.headers['x-agentpost-timestamp'] as string
    expect(verify(call!.body, signature, timestamp, made.secret, 0)).toBe(true)
    expect(verify(`${call!.body} `, signature, timestamp, made.secret, 0)).toBe(false)
    expect(verify(call!.body, signature, timestamp, made.secret, 301)).toBe(false)
    await ok('DELETE', `/webhooks/${made.id}`)
  })

  test('a failed request is repeated after 30 s, 2 min, 10 min, 1 h and 4 h; 50 failures in a row disable the webhook', async () => {
    const inbox = await makeInbox('failing')
    sink.answer = (response) => void response.writeHead(500).end()
    const made = await ok('POST', '/webhooks', {
      ...{ url: `${sink.url}/failing`, inbox_id: inbox.id, event_types: ['message.received'] },
    })
    const calls = () => sink.calls.filter(({ path }) => path.endsWith('/failing')).length
    await receive(inbox, 'Failing')
    for (const [index, waitMs] of [30_000, 120_000, 600_000, 3_600_000, 4 * 3_600_000].entries()) {
      await expect.poll(() => ok('GET', `/webhooks/${made.id}`)).toMatchObject({ consecutive_failures: index + 1 })
      expect(calls()).toBe(index + 1)
      time.offset += waitMs * 1.1 // retries are spread by up to a tenth
    }
    await expect.poll(() => ok('GET', `/webhooks/${made.id}`)).toMatchObject({ consecutive_failures: 6 })
    time.offset += 24 * 3_600_000
    await changeRows(world, "update webhooks set failures = 49 where profile = 'agentpost'")
    await receive(inbox, 'Last')
    await expect
      .poll(() => ok('GET', `/webhooks/${made.id}`))
      .toMatchObject({ enabled: false, disabled_reason: 'failing', consecutive_failures: 50 })
    expect(calls()).toBe(7)
    sink.answer = (response) => void response.writeHead(204).end()
    const again = await ok('PATCH', `/webhooks/${made.id}`, { enabled: true })
    expect(again).toMatchObject({ enabled: true, disabled_reason: null, consecutive_failures: 0 })
    await ok('DELETE', `/webhooks/${made.id}`)
  })
})

/** As the documentation of the service tells receivers to verify, at some seconds after the request. */
function verify(body: string, signature: string, timestamp: string, secret: string, laterSeconds: number): boolean {
  const now = Math.floor((Date.now() + time.offset) / 1_000) + laterSeconds
  if (Math.abs(now - Number(timestamp)) > 300) return false
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex') === signature
}
