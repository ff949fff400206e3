/**
 * Tests waiting for a message over HTTP: a message that exists, arrives, or starts to match is returned once, whenever
 * it happens. The tests call from cursor to cursor while messages arrive and labels change, and compare the returned
 * messages with those in the inbox.
 */
import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { seeded } from '../events/feed-world.ts'
import { changeRows, notSupported } from '../support/test-database.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'

/** The inbox of the current test. */
let inbox: string
let inboxes = 0
/** For tests that need no special settings, and leave no subscription. */
let shared: World
beforeAll(async () => {
  shared = await startWorld()
})
afterAll(() => shared[Symbol.asyncDispose]())

async function startWithInbox(options: WorldOptions = {}): Promise<World> {
  return withInbox(await startWorld(options))
}

/** Creates the inbox of a test. */
async function withInbox(world: World): Promise<World> {
  inboxes += 1
  inbox = (await world.agentmail.inboxes.create({ username: `ada${inboxes}` })).inboxId
  return world
}

type Query = Readonly<Record<string, string | number>>

function pathOf(query: Query): string {
  const text = new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
  )
  return `${waitPath()}?${text}`
}

function waitPath(): string {
  return `/v0/inboxes/${inbox}/messages/wait`
}

async function wait(world: World, query: Query = {}, key?: string) {
  const { status, body } = await world.request('GET', pathOf(query), key === undefined ? {} : { key })
  expect(status, JSON.stringify(body)).toBe(200)
  return body as { message: { subject: string; message_id: string; labels: string[] } | null; cursor: string }
}

/** Returns the subjects from cursor to cursor until no message is left. */
async function drain(world: World, query: Query = {}): Promise<{ subjects: string[]; cursor: string }> {
  const subjects: string[] = []
  let after = query
  for (;;) {
    const { message, cursor } = await wait(world, { ...after, wait_seconds: 0 })
    if (message === null && cursor === after.after) return { subjects, cursor }
    if (message !== null) subjects.push(message.subject)
    after = { ...query, after: cursor }
  }
}

async function send(world: World, subject: string, from = 'ann@example.test'): Promise<string> {
  const { messageId } = await world.smtp.send({ from, to: inbox, subject, text: subject })
  return messageId
}

async function label(world: World, id: string, change: object): Promise<void> {
  const { status } = await world.request('PATCH', `/v0/inboxes/${inbox}/messages/${encodeURIComponent(id)}`, {
    body: change,
  })
  expect(status).toBe(200)
}

async function listeners(world: World): Promise<number> {
  const { body } = await world.request('GET', '/metrics')
  return Number(/^martlet_event_subscriptions (\d+)$/m.exec(body)![1])
}

test('existing messages are returned from the oldest on, then new ones, each once and in full', async () => {
  const world = await withInbox(shared)
  await send(world, 'one')
  const id = await send(world, 'two')

  const first = await wait(world)
  expect(first.message).toMatchObject({ subject: 'one' })
  const second = await wait(world, { after: first.cursor })
  const got = await world.request('GET', `/v0/inboxes/${inbox}/messages/${encodeURIComponent(id)}`)
  expect(second.message).toEqual(got.body)

  const third = wait(world, { after: second.cursor, wait_seconds: 20 })
  await expect.poll(() => listeners(world)).toBe(1)
  await send(world, 'three')
  expect((await third).message).toMatchObject({ subject: 'three' })
  expect(await listeners(world)).toBe(0)
  expect(await wait(world, { after: (await third).cursor, wait_seconds: 0 })).toMatchObject({ message: null })
  expect((await drain(world)).subjects).toEqual(['one', 'two', 'three'])
})

test('on timeout, message is null, and the cursor resumes without a gap', async () => {
  const world = await withInbox(shared)
  const over = await wait(world, { wait_seconds: 1 })
  expect(over.message).toBeNull()
  await send(world, 'late')
  expect(await wait(world, { after: over.cursor })).toMatchObject({ message: { subject: 'late' } })
})

test('no message is missed or repeated while many arrive between polls', async () => {
  await using world = await startWithInbox({ limits: { lists: { scanRowsMax: 7 }, events: { batchMax: 3 } } })
  const total = 60
  const received: string[] = []
  const ids: string[] = []
  await Promise.all([
    ...[0, 1, 2, 3].map(async (sender) => {
      for (let number = 0; number < total / 4; number++) ids.push(await send(world, `${sender}.${number}`))
    }),
    (async () => {
      for (let after = ''; received.length < total; ) {
        const { message, cursor } = await wait(world, { ...(after && { after }), wait_seconds: 20 })
        received.push(message!.message_id)
        after = cursor
      }
    })(),
  ])
  expect(received.toSorted()).toEqual(ids.toSorted())
})

test('a message that starts to match during a scan is returned once, however its labels change', async () => {
  await using world = await startWithInbox({ limits: { lists: { scanRowsMax: 9 }, events: { batchMax: 5 } } })
  const random = seeded(7)
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)]!
  const ids: string[] = []
  const chosen = new Set<string>()
  const received: string[] = []
  let after = ''
  const check = async () => {
    const { message, cursor } = await wait(world, { labels: 'go,ready', wait_seconds: 0, ...(after && { after }) })
    after = cursor
    if (message) received.push(message.message_id)
    return message !== null
  }
  for (let step = 0; step < 20; step++) ids.push(await send(world, `mail ${step}`))

  for (let step = 0; step < 120; step++) {
    const id = pick(ids)
    const act = random()
    if (act < 0.15) ids.push(await send(world, `later ${step}`))
    else if (act < 0.4) await label(world, id, { add_labels: ['noise', `n${step}`], remove_labels: ['unread'] })
    else if (act < 0.5) await label(world, id, { add_labels: ['unread'], remove_labels: ['noise'] })
    else if (act < 0.7 && !chosen.has(id)) {
      chosen.add(id)
      if (random() < 0.5) await label(world, id, { add_labels: ['go', 'ready', 'noise'] })
      else {
        await label(world, id, { add_labels: ['ready'] })
        await label(world, id, { add_labels: ['go'] })
      }
    } else if (step > 30) await check()
  }
  while (await check());
  expect(received.toSorted()).toEqual([...chosen].toSorted())
  expect(chosen.size).toBeGreaterThan(10)
})

test('a message matches again when its label is removed and added again, unless the message is hidden', async () => {
  const world = await withInbox(shared)
  const id = await send(world, 'mail')
  await label(world, id, { add_labels: ['todo'] })
  const { subjects, cursor } = await drain(world, { labels: 'todo' })
  expect(subjects).toEqual(['mail'])

  await label(world, id, { add_labels: ['seen'], remove_labels: ['unread'] })
  expect((await drain(world, { labels: 'todo', after: cursor })).subjects).toEqual([])
  await label(world, id, { remove_labels: ['todo'] })
  await label(world, id, { add_labels: ['todo'] })
  const again = await drain(world, { labels: 'todo', after: cursor })
  expect(again.subjects).toEqual(['mail'])
  await label(world, id, { remove_labels: ['todo'] })
  await label(world, id, { add_labels: ['todo', 'trash'] })
  expect((await drain(world, { labels: 'todo', after: again.cursor })).subjects).toEqual([])
  expect((await drain(world, { labels: 'todo', include_trash: 'true', after: again.cursor })).subjects).toEqual([
    'mail',
  ])
  await label(world, id, { remove_labels: ['trash'] })
  expect((await drain(world, { labels: 'todo', after: again.cursor })).subjects).toEqual(['mail'])
})

test('what matched when the scan began is returned, even if it changes before the scan reaches it', async () => {
  const world = await withInbox(shared)
  const ids = []
  for (const subject of ['one', 'two', 'three', 'four']) ids.push(await send(world, subject))
  for (const id of ids.slice(0, 3)) await label(world, id, { add_labels: ['todo'] })
  const sentId = (
    await world.agentmail.inboxes.messages.send(inbox, { to: 'x@example.test', subject: 'five', labels: ['todo'] })
  ).messageId
  const path = `/v0/inboxes/${inbox}/messages/${encodeURIComponent(sentId)}/deliveries`
  await expect.poll(async () => (await world.request('GET', path)).body.deliveries[0].state).toBe('held')
  const first = await wait(world, { labels: 'todo' })
  expect(first.message).toMatchObject({ subject: 'one' })

  await label(world, ids[1]!, { add_labels: ['seen'], remove_labels: ['unread'] })
  await label(world, ids[2]!, { remove_labels: ['todo'] }) // no longer matches
  await label(world, ids[3]!, { add_labels: ['todo'] }) // matches only now
  expect((await world.request('POST', `${path}/cancel`, { body: {} })).status).toBe(200)
  const rest = await drain(world, { labels: 'todo', after: first.cursor })
  expect(rest.subjects).toEqual(['two', 'five', 'four'])
  // An older cursor does not say which messages were there when the scan began.
  const fields = JSON.parse(Buffer.from(first.cursor.slice(2), 'base64url').toString()) as unknown[]
  expect(fields).toHaveLength(4)
  const older = `w.${Buffer.from(JSON.stringify(fields.slice(0, 3))).toString('base64url')}`
  expect((await drain(world, { labels: 'todo', after: older })).subjects).toEqual(['two', 'five', 'four'])
})

test('a message that arrives while the list is read is returned once', async () => {
  const world = await withInbox(shared)
  for (const subject of ['one', 'two']) await send(world, subject)
  const first = await wait(world, { wait_seconds: 0 })
  await send(world, 'three')
  expect((await drain(world, { after: first.cursor })).subjects).toEqual(['two', 'three'])
})

test('a message that leaves the trash starts to match', async () => {
  const world = await withInbox(shared)
  const id = await send(world, 'mail')
  await label(world, id, { add_labels: ['trash'] })
  const { subjects, cursor } = await drain(world)
  expect(subjects).toEqual([])
  await label(world, id, { remove_labels: ['trash'] })
  expect((await drain(world, { after: cursor })).subjects).toEqual(['mail'])
})

test('messages that get the same label one after another are each returned', async () => {
  const world = await withInbox(shared)
  const ids = [await send(world, 'one'), await send(world, 'two')]
  const { cursor } = await drain(world, { labels: 'todo' })
  for (const id of ids) await label(world, id, { add_labels: ['todo'] })
  expect((await drain(world, { labels: 'todo', after: cursor })).subjects).toEqual(['one', 'two'])
})

test.each([{ events: { batchMax: 3 } }, { lists: { scanRowsMax: 3 } }])(
  'a change of several labels counts as one change, even if reading the log pauses within it: %o',
  async (limits) => {
    await using world = await startWithInbox({ limits })
    await world.agentmail.inboxes.create({ username: 'bob' })
    const id = await send(world, 'mail')
    const { cursor } = await drain(world, { labels: 'go,ready' })
    const other = 'events' in limits ? inbox : 'bob@mail.localhost'
    for (let number = 0; number < 2; number++) await world.smtp.send({ to: other, subject: 'x', text: 'x' })
    await label(world, id, { add_labels: ['go', 'ready'] })
    expect((await drain(world, { labels: 'go,ready', after: cursor })).subjects).toEqual(['mail'])
  },
)

test('from, to and subject filter as in the list, and a message that does not match is skipped', async () => {
  const world = await withInbox(shared)
  const query = {
    from: 'shop.test',
    subject: 'code',
    to: `${inbox.slice(0, inbox.indexOf('@') + 1)}`,
    wait_seconds: 20,
  }
  const waiting = wait(world, query)
  await expect.poll(() => listeners(world)).toBe(1)
  await send(world, 'your code', 'other@example.test')
  await send(world, 'offers', 'news@shop.test')
  await send(world, 'Your CODE', 'login@shop.test')
  const { message, cursor } = await waiting
  expect(message).toMatchObject({ subject: 'Your CODE' })
  expect((await drain(world, { from: 'shop.test', after: cursor })).subjects).toEqual([])
})

test('after accepts a time, or the cursor of an event', async () => {
  let now = Date.UTC(2026, 0, 1)
  await using world = await startWithInbox({ clock: () => now })
  const socket = await world.subscribe()
  const old = await send(world, 'old')
  const { cursor } = await socket.next('message.received')
  now += 60_000
  await send(world, 'new')

  expect((await drain(world, { after: '2026-01-01T00:00:00Z' })).subjects).toEqual(['new'])
  expect((await drain(world, { after: '2025-12-31' })).subjects).toEqual(['old', 'new'])
  expect((await drain(world, { after: cursor })).subjects).toEqual(['new'])
  const later = await drain(world, { labels: 'todo', after: '2026-01-01T00:00:30Z' })
  await label(world, old, { add_labels: ['todo'] })
  expect((await drain(world, { labels: 'todo', after: later.cursor })).subjects).toEqual([]) // too old, then and now
})

test('a message to its own inbox is returned when it is sent, and again only if its arrival makes it match', async () => {
  const world = await withInbox(shared)
  const start = (await wait(world, { wait_seconds: 0 })).cursor
  await world.agentmail.inboxes.messages.send(inbox, { to: inbox, subject: 'note', text: 'x' })
  await wait(world, { labels: 'received,sent', after: start, wait_seconds: 20 })
  expect((await drain(world, { after: start })).subjects).toEqual(['note'])
  expect((await drain(world, { labels: 'sent', after: start })).subjects).toEqual(['note'])
  expect((await drain(world, { labels: 'received', after: start })).subjects).toEqual(['note'])
})

const inProcess = notSupported('postgres', 'the database would do the work, not the server')
inProcess('twenty thousand sent messages that do not match are skipped within seconds', async () => {
  await using world = await startWithInbox()
  const { cursor } = await wait(world, { wait_seconds: 0 })
  await changeRows(
    world,
    `insert into events (seq, event_id, at, organization_id, pod_id, inbox_id, type, visibility, actor, message_id, payload)
      with recursive numbers (number) as (select 1 union all select number + 1 from numbers where number < 20000)
      select seq + number, event_id || number, at, organization_id, pod_id, inbox_id, 'message.sent', 'public', actor,
        'message ' || number, '{"inboxAddress":"${inbox}","threadId":"t","apiMessageId":"<x@x>","recipients":[]}'
      from events, numbers where type = 'inbox.created' and seq = (select last_seq from event_log)`,
  )
  await changeRows(
    world,
    `update event_log set last_seq = (select max(seq) from events),
      last_event_id = (select event_id from events order by seq desc limit 1)`,
  )
  expect(await wait(world, { after: cursor, wait_seconds: 0 })).toMatchObject({ message: null })
})

test('a client that disconnects is unsubscribed at once', async () => {
  const world = await withInbox(shared)
  const request = httpRequest(`${world.url}${pathOf({ wait_seconds: 600 })}`, {
    headers: { authorization: `Bearer ${world.rootKey}` },
  })
  request.on('error', () => undefined)
  request.end()
  await expect.poll(() => listeners(world)).toBe(1)
  request.destroy()
  await expect.poll(() => listeners(world)).toBe(0)
})

test('a stop answers waiting requests with null and a cursor to resume from', async () => {
  await using world = await startWithInbox()
  await send(world, 'one')
  const after = (await drain(world)).cursor
  const waiting = wait(world, { after, wait_seconds: 600 })
  await expect.poll(() => listeners(world)).toBe(1)
  await world.restart()
  const { message, cursor } = await waiting
  expect(message).toBeNull()
  await send(world, 'two')
  expect(await wait(world, { after: cursor })).toMatchObject({ message: { subject: 'two' } })
})

test('deleting or restricting the key, or deleting the inbox, ends the wait', async () => {
  await using world = await startWithInbox({ limits: { events: { pollMs: 50 } } })
  const make = async (path: string) => (await world.request('POST', `${path}/api-keys`, { body: { name: 'k' } })).body
  const ask = (key: string) => world.request('GET', pathOf({ wait_seconds: 30 }), { key })
  const [deleted, narrowed, scoped] = [await make('/v0'), await make('/v0'), await make(`/v0/inboxes/${inbox}`)]
  const answers = [deleted, narrowed, scoped, { api_key: world.rootKey }].map(({ api_key }) => ask(api_key))
  await expect.poll(() => listeners(world)).toBe(4)

  await world.request('DELETE', `/v0/api-keys/${deleted.api_key_id}`)
  expect(await answers[0]).toMatchObject({ status: 401, body: { name: 'UnauthorizedError' } })
  await world.request('PATCH', `/v0/api-keys/${narrowed.api_key_id}`, { body: { permissions: { inbox_read: true } } })
  expect(await answers[1]).toMatchObject({ status: 403, body: { name: 'ForbiddenError' } })
  await world.request('DELETE', `/v0/inboxes/${inbox}`)
  expect((await answers[2])!.status).toBe(401)
  expect((await answers[3])!.status).toBe(404)
  expect(await listeners(world)).toBe(0)
})

test('an invalid or forbidden request is refused', async () => {
  const world = await withInbox(shared)
  const { body: key } = await world.request('POST', '/v0/api-keys', {
    body: { name: 'k', permissions: { inbox_read: true } },
  })
  const status = async (query: Query, key?: string) =>
    (await world.request('GET', pathOf(query), key === undefined ? {} : { key })).status
  expect(await status({ wait_seconds: 601 })).toBe(400)
  expect(await status({ wait_seconds: -1 })).toBe(400)
  expect(await status({ after: '2026-13-01' })).toBe(400)
  for (const after of [
    'nonsense',
    'w.',
    'w.W10',
    `w.${'A'.repeat(600)}`,
    `w.${Buffer.from('["x",null,5]').toString('base64url')}`,
  ])
    expect(await status({ after })).toBe(400)
  // Numbers that no cursor of ours contains; some of them are too large for a database.
  for (const place of [
    '["CURSOR",1.5,"start"]',
    '["CURSOR",-1e300,"start"]',
    '["CURSOR",null,[1.5,"x"]]',
    '["CURSOR",null,[1e400,"x"]]',
  ]) {
    const { body } = await world.request('GET', pathOf({ wait_seconds: 0 }))
    const after = `w.${Buffer.from(place.replace('CURSOR', body.cursor)).toString('base64url')}`
    expect(await status({ after, wait_seconds: 0 })).toBe(400)
  }
  expect(await status({}, key.api_key)).toBe(403)
  expect(await status({}, 'am_us_nobody')).toBe(401)
  expect((await world.request('GET', '/v0/inboxes/nobody@mail.localhost/messages/wait')).status).toBe(404)
  expect((await world.request('HEAD', waitPath())).status).toBe(405)
})

test('a message whose id is the word "wait" is found by its id in brackets', async () => {
  const world = await withInbox(shared)
  await world.smtp.send({ to: inbox, subject: 'named', text: 'x', messageId: '<wait>' })
  expect((await wait(world)).message!.message_id).toBe('<wait>')
  const path = waitPath().replace(/wait$/, encodeURIComponent('<wait>'))
  expect(await world.request('GET', path)).toMatchObject({ status: 200, body: { subject: 'named' } })
})

test('"latest" waits for new messages only, and skips what the inbox itself sends', async () => {
  const world = await withInbox(shared)
  await send(world, 'yesterday')
  const { cursor, message } = await wait(world, { after: 'latest', wait_seconds: 0 })
  expect(message).toBeNull()
  await world.agentmail.inboxes.messages.send(inbox, { to: 'ann@example.test', subject: 'a question', text: 'x' })
  await send(world, 'the answer')
  expect((await wait(world, { after: cursor })).message).toMatchObject({ subject: 'the answer' })
  expect((await wait(world, { after: cursor, labels: 'sent' })).message).toMatchObject({ subject: 'a question' })
})

test('one key cannot have all connections wait, and a wait that ended no longer counts', async () => {
  await using world = await startWithInbox({ limits: { http: { waitsPerKeyMax: 2 } } })
  const waiting = [wait(world), world.request('GET', '/v0/events?wait_seconds=60')]
  await expect.poll(() => listeners(world)).toBe(2)
  const refused = await world.request('GET', pathOf({}))
  expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limit_exceeded' } })
  expect((await wait(world, { wait_seconds: 0 })).message).toBeNull()
  const { body } = await world.request('POST', '/v0/api-keys', { body: {} })
  const ofOther = wait(world, {}, body.api_key)
  await expect.poll(() => listeners(world)).toBe(3)

  await send(world, 'hello')
  await Promise.all([...waiting, ofOther])
  expect((await wait(world)).message?.subject).toBe('hello')
})
