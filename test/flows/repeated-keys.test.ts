/**
 * Received messages with an idempotency key of their sender: a repeat is stored and labelled, and its event must be named.
 * Also what the row of an inbox counts of its unread messages, and the filters of a list of received messages.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeAgent, receiveMail } from '../dialects/assmbl/agent.ts'
import { changeRows, readRows } from '../support/test-database.ts'
import { startWorld, type World } from '../support/world.ts'

let now = Date.now()
let world: World

beforeAll(async () => {
  world = await startWorld({ clock: () => now })
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

const DAY = 86_400_000

async function makeInbox(name: string): Promise<string> {
  return (await world.request('POST', '/v0/inboxes', { body: { username: name } })).body.inbox_id
}

function send(to: string | string[], subject: string, key?: string, from = 'Ann <ann@example.test>') {
  const headers = key === undefined ? {} : { 'X-AgentMail-Idempotency-Key': key }
  return world.smtp.send({ to, subject, text: subject, from, headers })
}

/** Returns the labels of the messages of an inbox by subject, without `received` and `unread`. */
async function labels(inbox: string): Promise<Record<string, string[]>> {
  const { body } = await world.request('GET', `/v0/inboxes/${encodeURIComponent(inbox)}/messages`)
  const own = (all: string[]) => all.filter((label) => label !== 'received' && label !== 'unread')
  return Object.fromEntries(
    body.messages.map((each: { subject: string; labels: string[] }) => [each.subject, own(each.labels)]),
  )
}

test('a repeat is stored with a label, and only subscribers that name its event get it', async () => {
  const ada = await makeInbox('repeat-ada')
  const bob = await makeInbox('repeat-bob')
  const plain = await world.subscribe({ inboxIds: [ada] })
  const naming = await world.subscribe({
    inboxIds: [ada],
    eventTypes: ['message.received', 'message.received.duplicate'],
  })
  await send([ada, bob], 'first', 'k1')
  await send(ada, 'again', 'k1')
  await send(ada, 'other key', 'k2')
  await send(ada, 'no key')
  await send(ada, 'other sender', 'k1', 'eve@example.test')
  await send(ada, 'invalid key', 'two words')
  await send(ada, 'invalid key too', 'two words')
  await send(bob, 'other inbox', 'k1', 'eve@example.test')
  expect(await labels(ada)).toEqual({
    first: [],
    again: ['duplicate'],
    'other key': [],
    'no key': [],
    'other sender': [],
    'invalid key': [],
    'invalid key too': [],
  })
  expect(await labels(bob)).toEqual({ first: [], 'other inbox': [] })

  const subjects = async (socket: typeof plain, count: number) => {
    const seen: string[] = []
    while (seen.length < count) {
      const { event_type, message } = await socket.nextFrame(({ type }) => type === 'event')
      seen.push(event_type === 'message.received' ? message.subject : `${event_type}: ${message.subject}`)
    }
    return seen
  }
  const once = ['first', 'other key', 'no key', 'other sender', 'invalid key', 'invalid key too']
  expect(await subjects(plain, 6)).toEqual(once)
  expect(await subjects(naming, 7)).toEqual(['first', 'message.received.duplicate: again', ...once.slice(1)])
})

test('a key is forgotten after seven days, and a repeat does not extend that', async () => {
  const ada = await makeInbox('week-ada')
  await send(ada, 'first', 'w1')
  now += 4 * DAY
  await send(ada, 'after four days', 'w1')
  now += 3 * DAY + 1
  await send(ada, 'after seven days', 'w1')
  await send(ada, 'and again', 'w1')
  expect(await labels(ada)).toEqual({
    first: [],
    'after four days': ['duplicate'],
    'after seven days': [],
    'and again': ['duplicate'],
  })
})

test('blocked mail uses up no key', async () => {
  const ada = await makeInbox('blocked-ada')
  const list = `/v0/inboxes/${encodeURIComponent(ada)}/lists/receive/block`
  await world.request('POST', list, { body: { entry: 'ann@example.test' } })
  await send(ada, 'blocked', 'b1')
  await world.request('DELETE', `${list}/ann%40example.test`)
  await send(ada, 'not blocked', 'b1')
  expect(await labels(ada)).toEqual({ 'not blocked': [] })
})

test('the same message again is recognised by its Message-ID, and is no repeat', async () => {
  const ada = await makeInbox('same-ada')
  const mail = {
    ...{ to: ada, subject: 'same', text: 'x', messageId: '<same@example.test>', date: new Date(now) },
    headers: { 'X-AgentMail-Idempotency-Key': 's1' },
  }
  await world.smtp.send(mail)
  await world.smtp.send(mail)
  expect(await labels(ada)).toEqual({ same: [] })
})

const WITH_LABEL = (label: string) =>
  `exists (select 1 from message_labels l where l.message_id = m.id and l.label = '${label}')`

test('the counts of unread messages follow every change of labels', async () => {
  const ada = await makeInbox('counted-ada')
  const at = `/v0/inboxes/${encodeURIComponent(ada)}/messages`
  for (let index = 0; index < 8; index += 1) await send(ada, `mail ${index}`, index === 7 ? 'c1' : undefined)
  const { body } = await world.request('GET', at)
  const ids: string[] = body.messages.map(({ message_id }: { message_id: string }) => encodeURIComponent(message_id))
  const changes = [
    { add: ['archived'], remove: [] },
    { add: ['spam'], remove: [] },
    { add: ['trash', 'archived'], remove: [] },
    { add: [], remove: ['unread'] },
    { add: ['archived'], remove: ['unread'] },
  ]
  for (const [index, { add, remove }] of changes.entries()) {
    await world.request('PATCH', `${at}/${ids[index]}`, { body: { add_labels: add, remove_labels: remove } })
  }
  await world.request('PATCH', `${at}/${ids[2]}`, { body: { remove_labels: ['trash'] } })
  await world.request('PATCH', `${at}/${ids[4]}`, { body: { add_labels: ['unread'], remove_labels: ['archived'] } })
  await world.request('DELETE', `${at}/${ids[0]}`)
  await world.request('DELETE', `${at}/${ids[5]}`)
  const sent = await world.request('POST', `${at}/send`, { body: { to: ada, subject: 'to myself', text: 'x' } })
  await expect.poll(async () => (await labels(ada))['to myself']).toContain('delivered')
  await world.request('PATCH', `${at}/${encodeURIComponent(sent.body.message_id)}`, {
    body: { add_labels: ['unread'] },
  })

  const rows = await readRows(
    world,
    `select i.address, i.unread_count, i.unread_shown_count, i.unread_unauthenticated_count,
       (select count(*) from messages m where m.inbox_id = i.id and ${WITH_LABEL('unread')}),
       (select count(*) from messages m where m.inbox_id = i.id and m.hidden = 0 and ${WITH_LABEL('unread')}
          and ${WITH_LABEL('received')} and not ${WITH_LABEL('archived')}),
       (select count(*) from messages m where m.inbox_id = i.id and m.hidden = 4 and ${WITH_LABEL('unread')}
          and ${WITH_LABEL('received')} and not ${WITH_LABEL('archived')})
     from inboxes i`,
  )
  expect(
    rows
      .find(([address]) => address === ada)
      ?.slice(1, 4)
      .map(Number),
  ).toEqual([6, 4, 0])
  for (const [address, ...counts] of rows) {
    expect(counts.slice(0, 3).map(Number), String(address)).toEqual(counts.slice(3).map(Number))
  }
})

test('messages are found by a text, by labels that they lack, and by their sender', async () => {
  const agent = await makeAgent(world)
  const one = await receiveMail(world, agent, { subject: 'Invoice 7', text: 'please pay' })
  await receiveMail(world, agent, { subject: 'other', text: 'an INVOICE is attached' })
  await receiveMail(world, agent, { subject: 'third', text: 'x', from: 'Invoice desk <ann@billing.test>' })
  await receiveMail(world, agent, { subject: '100% off_er', text: 'x' })
  const list = async (query: string) => {
    const { body } = await agent.request('GET', `/inbox?${query}`)
    return body.items.map(({ Subject }: { Subject: string }) => Subject)
  }
  const verified = async () => {
    const { body } = await agent.request('GET', '/inbox')
    return body.items.filter((item: { SenderVerified: boolean }) => item.SenderVerified).length
  }
  expect(await list('q=invoice')).toEqual(['Invoice 7', 'other', 'third'])
  expect(await list('q=BILLING.test')).toEqual(['third'])
  expect(await list('q=0%25%20off_')).toEqual(['100% off_er'])
  await agent.request('PATCH', `/messages/${one.MessageID}/labels`, { add: ['sale', 'archived'] })
  expect(await list('q=invoice')).toEqual(['other', 'third'])
  expect(await list('q=invoice&label=sale&include_archived=true&is_read=false')).toEqual(['Invoice 7'])
  await changeRows(world, 'update messages set verified_domain = null')
  expect(await list('verified_only=true')).toEqual([])
  expect(await verified()).toBe(0)
  await changeRows(world, "update messages set verified_domain = 'billing.test' where subject = 'third'")
  expect(await list('verified_only=true')).toEqual(['third'])
  expect(await verified()).toBe(1)
  expect(await list('verified_only=true&q=invoice&is_read=true')).toEqual([])
  expect((await agent.request('GET', '/inbox?q=%00')).status).toBe(400)
})

test('the operator can switch the verification of senders off; a large message is read from its link', async () => {
  const limits = { messages: { sourceInJsonBytesMax: 2_000 }, lists: { filteredPageMax: 1 } }
  const other = await startWorld({ env: { MARTLET_SENDER_VERIFICATION: 'off' }, limits })
  await using _other = other
  const agent = await makeAgent(other)
  await receiveMail(other, agent)
  await changeRows(other, "update messages set verified_domain = 'example.test'")
  expect((await agent.request('GET', '/inbox')).body.items).toMatchObject([{ SenderVerified: false }])
  expect((await agent.request('GET', '/inbox?verified_only=true')).body).toEqual({ items: [], next_cursor: null })

  const large = await receiveMail(other, agent, { text: 'x'.repeat(3_000) })
  const { body: page } = await agent.request('GET', '/inbox?limit=1000') // a page has no more than the maximum
  expect(page).toMatchObject({ items: [{ Subject: 'hello' }], next_cursor: expect.any(String) })
  const { body } = await agent.request('GET', `/messages/${large.MessageID}`)
  expect(body).toMatchObject({ raw_mime: null, raw_mime_encoding: null, body_text: 'x'.repeat(3_000) })
  expect((await (await fetch(body.raw_mime_url)).text()).length).toBe(body.SizeBytes)
})

test('mail without authentication is listed and counted, for keys that may see it', async () => {
  const env = { MARTLET_TRUSTED_NETWORKS: 'none', MARTLET_DNS_SERVERS: '127.0.0.1:1' } // nothing listens there
  const other = await startWorld({ env, limits: { dns: { tryMs: 10, triesMax: 1 } } })
  await using _other = other
  const agent = await makeAgent(other)
  expect(await receiveMail(other, agent)).toMatchObject({ SenderVerified: false, IsRead: false })
  const { body } = await other.request('GET', `/v0/inboxes/${encodeURIComponent(agent.address)}/messages`)
  expect(body.messages).toEqual([]) // AgentMail's clients must ask for it
  expect((await agent.request('GET', '/inbox/unread_count')).body).toEqual({ unread_count: 1 })
  const at = `/v0/inboxes/${encodeURIComponent(agent.address)}/api-keys`
  const key = (await other.request('POST', at, { body: { permissions: { message_read: true } } })).body.api_key
  expect((await other.request('GET', '/inbox', { key })).body.items).toEqual([])
  expect((await other.request('GET', '/inbox/unread_count', { key })).body).toEqual({ unread_count: 0 })
})
