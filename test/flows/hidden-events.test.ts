/**
 * Tests a message that is hidden after it arrived: a key that may not GET it gets none of its earlier events either.
 * The tests compare what a whole server sends over lists, long polls, streams, sockets and waits.
 */
import { expect, test } from 'vitest'
import { openEventSource } from '../support/event-source.ts'
import { startWorld, type World } from '../support/world.ts'

const ADA = 'ada@mail.localhost'
const NARROW = ['inbox_read', 'message_read']
const SECRET = /940627|secret plans|eve@|oracle\.pdf/

for (const label of ['trash', 'spam']) {
  test(`events of a message with the later label ${label} are sent only to keys that may read it, on every way`, async () => {
    await using world = await startWorld()
    const { cursor } = await sendSecret(world)
    const narrow = await keyWith(world, NARROW)
    const wide = await keyWith(world, [...NARROW, `label_${label}_read`])
    expect(await eventTexts(world, narrow)).toMatch(SECRET) // until it is hidden

    await change(world, '<secret@x.test>', { add_labels: [label] })
    await world.smtp.send({ to: ADA, messageId: '<plain@x.test>', subject: 'plain', text: 'plain words' })
    expect((await world.request('GET', pathOf('<secret@x.test>'), { key: narrow })).status).toBe(404)

    for (const query of ['', `?after=${cursor}&wait_seconds=20`]) {
      const received = await eventTexts(world, narrow, query)
      expect(received, query).not.toMatch(SECRET)
      expect(received, query).toContain('plain words')
      for (const key of [wide, world.rootKey]) expect(await eventTexts(world, key, query)).toMatch(/940627/)
    }

    // The secret message is first in the log: a reader that gets the plain one has passed it.
    await using stream = await openEventSource(`${world.url}/v0/events/stream?after=earliest`, { key: narrow })
    await stream.next('subscribed')
    expect(JSON.parse((await stream.next('message')).data).message.subject).toBe('plain')
    const socket = await world.subscribe({ after: 'earliest', key: narrow })
    expect((await socket.next('message.received')).message.subject).toBe('plain')
    const wideSocket = await world.subscribe({ after: 'earliest', key: wide })
    expect((await wideSocket.next('message.received')).message.text).toContain('940627')

    const waited = await world.request('GET', `/v0/inboxes/${ADA}/messages/wait?after=${cursor}`, { key: narrow })
    expect(waited.body.message.subject).toBe('plain')

    await change(world, '<secret@x.test>', { remove_labels: [label] })
    expect(await eventTexts(world, narrow)).toMatch(SECRET)
  })
}

test('a message that was hidden and then deleted is not sent, nor is the thread that its event remembers', async () => {
  await using world = await startWorld()
  await sendSecret(world)
  const narrow = await keyWith(world, NARROW)
  await change(world, '<secret@x.test>', { add_labels: ['trash'] })
  await world.agentmail.inboxes.messages.delete(ADA, '<secret@x.test>')
  expect(await eventTexts(world, narrow)).not.toMatch(SECRET)
  const { body } = await world.request('GET', '/v0/events')
  expect(body.events[0]).toMatchObject({ message: { deleted: true }, thread: { subject: 'secret plans' } })
})

// An event contains its thread as it was then, which used to show senders, subjects and files of messages hidden later.
test('the thread in an event shows only messages that the reader may see now', async () => {
  await using world = await startWorld()
  await sendSecret(world)
  const reply = { to: ADA, inReplyTo: '<secret@x.test>' }
  await world.smtp.send({
    ...reply,
    messageId: '<plain@x.test>',
    subject: 'plain',
    text: 'plain words',
    from: 'ann@x.test',
  })
  await world.smtp.send({ ...reply, messageId: '<third@x.test>', subject: 'third', text: 'x', from: 'bo@x.test' })
  const narrow = await keyWith(world, NARROW)
  const threadOf = async (key: string) =>
    (await world.request('GET', '/v0/events', { key })).body.events.at(-1).thread as Record<string, unknown>
  const before = await threadOf(narrow)
  expect(before).toMatchObject({ subject: 'secret plans', message_count: 3 })

  await change(world, '<secret@x.test>', { add_labels: ['trash'] })
  expect(await threadOf(narrow)).toMatchObject({
    subject: 'plain',
    senders: ['bo@x.test', 'ann@x.test'],
    message_count: 2,
  })
  expect(await eventTexts(world, narrow)).not.toMatch(SECRET)
  expect(await threadOf(world.rootKey)).toEqual(before)

  // The text that is cached for the next reader is invalidated by changes of the thread.
  await change(world, '<plain@x.test>', { add_labels: ['trash'] })
  expect(await threadOf(narrow)).toMatchObject({ subject: 'third', senders: ['bo@x.test'], message_count: 1 })
  expect(await eventTexts(world, narrow)).not.toContain('plain words')
  for (const id of ['<secret@x.test>', '<plain@x.test>']) await change(world, id, { remove_labels: ['trash'] })
  expect(await threadOf(narrow)).toEqual(before)
})

test('what is sent live is decided for each reader', async () => {
  await using world = await startWorld()
  await world.agentmail.inboxes.create({ username: 'ada' })
  const narrow = await keyWith(world, NARROW)
  const wide = await keyWith(world, [...NARROW, 'label_spam_read'])
  const sockets = await Promise.all([narrow, wide, world.rootKey, narrow].map((key) => world.subscribe({ key })))
  await world.smtp.send({ to: ADA, messageId: '<1@x.test>', subject: 'one', text: 'x' })
  const one = await Promise.all(sockets.map((socket) => socket.next()))
  expect(new Set(one.map((frame) => JSON.stringify(frame))).size).toBe(1)

  await change(world, '<1@x.test>', { add_labels: ['spam'] })
  await world.smtp.send({ to: ADA, messageId: '<2@x.test>', inReplyTo: '<1@x.test>', subject: 'two', text: 'y' })
  const two = await Promise.all(sockets.map((socket) => socket.next()))
  for (const frame of two) expect(frame).toMatchObject({ message: { subject: 'two' }, thread: { message_count: 1 } })
})

/** Sends a message with a code, a file and a sender of its own. @returns the cursor of the position before it */
async function sendSecret(world: World): Promise<{ cursor: string }> {
  await world.agentmail.inboxes.create({ username: 'ada' })
  const { cursor } = (await world.request('GET', '/v0/events?after=latest')).body
  await world.smtp.send({
    to: ADA,
    from: 'eve@example.test',
    messageId: '<secret@x.test>',
    subject: 'secret plans',
    text: 'Your verification code is 940627',
    attachments: [{ filename: 'oracle.pdf', content: 'x' }],
  })
  return { cursor }
}

async function eventTexts(world: World, key: string, query = ''): Promise<string> {
  const { status, body } = await world.request('GET', `/v0/events${query}`, { key })
  expect(status).toBe(200)
  return JSON.stringify(body.events)
}

function pathOf(id: string): string {
  return `/v0/inboxes/${ADA}/messages/${encodeURIComponent(id)}`
}

async function change(world: World, id: string, body: object): Promise<void> {
  expect((await world.request('PATCH', pathOf(id), { body })).status).toBe(200)
}

async function keyWith(world: World, flags: readonly string[]): Promise<string> {
  const permissions = Object.fromEntries(flags.map((flag) => [flag, true]))
  return (await world.request('POST', '/v0/api-keys', { body: { permissions } })).body.api_key
}
