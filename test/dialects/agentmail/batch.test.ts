/** Tests calls about many messages, and ids in paths, through the client and with the request lines of other clients. */
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

async function createInbox(username: string, ...messageIds: string[]): Promise<string> {
  const { inboxId } = await world.agentmail.inboxes.create({ username })
  for (const messageId of messageIds) await world.smtp.send(mail(inboxId, messageId))
  return inboxId
}

function mail(to: string, messageId: string) {
  return { to, subject: messageId, text: 'x', messageId, date: '2026-01-31T12:00:00Z' }
}

const batchPath = (inbox: string, call: string) => `/v0/inboxes/${inbox}/messages/${call}`
const invalid = { statusCode: 400, body: { code: 'validation_error' } }

test('a batch of messages has the order of the request, without bodies, unknown ids and messages that the key may not see', async () => {
  const inbox = await createInbox('batch', '<1@x.test>', '<2@x.test>', '<3@x.test>')
  const { messages } = world.agentmail.inboxes
  await messages.update(inbox, '<2@x.test>', { addLabels: ['trash'] })
  const messageIds = ['<3@x.test>', '<none@x.test>', '2@x.test', '<1@x.test>']
  const got = await messages.batchGet(inbox, { messageIds })
  expect(got).toMatchObject({ limit: 4, count: 3 })
  expect(got.messages.map(({ messageId }) => messageId)).toEqual(['<3@x.test>', '<2@x.test>', '<1@x.test>'])
  const [item] = (await messages.list(inbox)).messages
  expect(got.messages[0]).toEqual(item) // the same as in a list
  expect(got.messages[0]).not.toHaveProperty('text')

  const { api_key: key } = (
    await world.request('POST', '/v0/api-keys', { body: { permissions: { message_read: true, message_update: true } } })
  ).body
  expect(await world.agentmailAs(key).inboxes.messages.batchGet(inbox, { messageIds })).toMatchObject({ count: 2 })
  const change = { messageIds, addLabels: ['seen'] }
  expect(await world.agentmailAs(key).inboxes.messages.batchUpdate(inbox, change)).toMatchObject({ limit: 4, count: 2 })

  const elsewhere = await createInbox('elsewhere')
  expect(await messages.batchGet(elsewhere, { messageIds })).toMatchObject({ count: 0, messages: [] })
  for (const wrong of [[], ['<1@x.test>', '1@x.test'], Array.from({ length: 501 }, (_, index) => `${index}`)])
    await expect(messages.batchGet(inbox, { messageIds: wrong })).rejects.toMatchObject(invalid)
  await expect(messages.batchGet(inbox, { messageIds: ['a'] })).resolves.toMatchObject({ count: 0 })
  const none = { key: (await world.request('POST', '/v0/api-keys', { body: { permissions: {} } })).body.api_key }
  const body = { message_ids: ['a'], add_labels: ['b'] }
  for (const call of ['batch-get', 'batch-update'])
    expect((await world.request('POST', batchPath(inbox, call), { ...none, body })).status, call).toBe(403)
})

test('the labels of several messages change at once or not at all, with an event per message and label', async () => {
  const inbox = await createInbox('relabel', '<1@x.test>', '<2@x.test>')
  const { messages, events } = world.agentmail.inboxes
  const messageIds = ['<2@x.test>', 'none', '<1@x.test>']
  const changed = await messages.batchUpdate(inbox, {
    messageIds,
    addLabels: ['Seen', 'unread'],
    removeLabels: ['unread'],
  })
  expect(changed).toEqual({
    limit: 3,
    count: 2,
    updates: ['<2@x.test>', '<1@x.test>'].map((messageId) => ({ messageId, labels: ['received', 'seen'] })),
  })
  const log = (await events.list(inbox, { limit: 4 })).events.map(({ eventType, messageId, label }) => [
    eventType,
    messageId,
    label,
  ])
  for (const id of ['<1@x.test>', '<2@x.test>'])
    for (const [type, label] of [
      ['label.added', 'seen'],
      ['label.removed', 'unread'],
    ])
      expect(log).toContainEqual([type, id, label])

  // The second message would have too many labels, so the first one keeps its own.
  await messages.update(inbox, '<1@x.test>', { addLabels: Array.from({ length: 62 }, (_, index) => `label ${index}`) })
  await expect(messages.batchUpdate(inbox, { messageIds, addLabels: ['one too many'] })).rejects.toMatchObject(invalid)
  expect((await messages.get(inbox, '<2@x.test>')).labels).toEqual(['received', 'seen'])
  await expect(messages.batchUpdate(inbox, { messageIds })).rejects.toMatchObject(invalid)
  await expect(messages.batchUpdate(inbox, { messageIds, addLabels: ['sent'] })).rejects.toMatchObject(invalid)
  const many = Array.from({ length: 51 }, (_, index) => `${index}`)
  await expect(messages.batchUpdate(inbox, { messageIds: many, addLabels: ['a'] })).rejects.toMatchObject(invalid)
})

/** Sends a request line as it is. */
async function get(path: string, method = 'GET'): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${world.rootKey}` }
    const { hostname, port } = new URL(world.url)
    const sent = request({ hostname, port, path, method, headers }, async (response) =>
      resolve({ status: response.statusCode!, body: await text(response) }),
    )
    sent.on('error', reject).end()
  })
}

/** The request lines of Python clients escape only what a URL cannot contain, and then join it to the base URL. */
function asPython(id: string): string {
  return encodeURI(id)
    .replaceAll('%25', '%')
    .replace(/[?#].*$/, '')
}

test('an id that finds nothing is 404 in any form, and an escape that is not UTF-8 is 400', async () => {
  const inbox = await createInbox('absent', '<1@x.test>')
  const uuid = '01890a5d-ac96-774b-bcce-b302099a8057'
  const long = 'a'.repeat(10_000)
  const ids = [
    ...[uuid, uuid.toUpperCase(), `{${uuid}}`, uuid.replaceAll('-', ''), '1', '-1', 'null', '__proto__', long],
    ...['%20', '%3C%3E', '%3C', '%3E%3C', "'", '%22', '%25', '%2F', '%2e%2e%2f', '%00', '%EF%BF%BF', `%3C${long}%3E`],
  ]
  const malformed = ['%zz', '%', '%FF', '%C3%28', '%ED%A0%80']
  const pathsOf = (id: string) => [
    `/v0/inboxes/${inbox}/messages/${id}`,
    `/v0/inboxes/${inbox}/messages/${id}/raw`,
    `/v0/inboxes/${inbox}/messages/%3C1@x.test%3E/attachments/${id}`,
    `/v0/inboxes/${inbox}/threads/${id}`,
    `/v0/threads/${id}/attachments/1`,
    `/v0/inboxes/${id}`,
    `/v0/inboxes/${id}@x.test/messages`,
    `/v0/pods/${id}/inboxes`,
    `/v0/webhooks/${id}`,
    `/v0/api-keys/${id}`,
    `/v0/downloads/${id}`,
  ]
  const answers = await Promise.all(
    [...ids, ...malformed].flatMap(pathsOf).map(async (path) => [path, await get(path)] as const),
  )
  for (const [path, { status, body }] of answers) {
    const isMalformed = malformed.some((id) => pathsOf(id).includes(path))
    expect(status, path.slice(0, 200)).toBe(isMalformed ? 400 : 404)
    expect(JSON.parse(body).message, path).toMatch(/^.{9,}/)
  }
})

test('an id that cannot be part of a path is shown in a form that can, and both forms find the message', async () => {
  const ids = [
    '<a?b@x.test>',
    '<c#d@x.test>',
    '<e%41f@x.test>',
    '<g/../h@x.test>',
    '<i//j@x.test>',
    '<k~3F~l@x.test>',
    '<m/n+o=p@x.test>',
  ]
  const shown = [
    '<a~3F~b@x.test>',
    '<c~23~d@x.test>',
    '<e~25~41f@x.test>',
    '<g~2F~..~2F~h@x.test>',
    '<i~2F~~2F~j@x.test>',
    '<k~7E~3F~7E~l@x.test>',
    '<m/n+o=p@x.test>',
  ]
  const inbox = await createInbox('escaped', ...ids)
  const { messages, threads } = world.agentmail.inboxes
  const list = (await messages.list(inbox, { ascending: true })).messages
  expect(list.map(({ messageId }) => messageId)).toEqual(shown)
  expect((await threads.list(inbox, { ascending: true })).threads.map(({ lastMessageId }) => lastMessageId)).toEqual(
    shown,
  )
  for (const [index, id] of shown.entries()) {
    const original = ids[index]!
    const isFound = async (path: string) =>
      JSON.parse((await get(`/v0/inboxes/${inbox}/messages/${path}`)).body).subject
    expect((await messages.get(inbox, id)).subject, id).toBe(original) // Node escapes everything
    expect((await messages.get(inbox, original)).subject, original).toBe(original)
    expect(await isFound(asPython(id)), id).toBe(original)
    const { pathname } = new URL(asPython(id), `${world.url}/v0/inboxes/${inbox}/messages/`)
    expect(await isFound(pathname.split('/messages/')[1]!), id).toBe(original) // dot segments are removed
  }
  const got = await messages.batchGet(inbox, { messageIds: ids })
  expect(got.messages.map(({ messageId }) => messageId)).toEqual(shown)
  await expect(messages.batchGet(inbox, { messageIds: [ids[0]!, shown[0]!] })).rejects.toMatchObject(invalid)

  // The same id in another message: a stranger must not hide one behind the other.
  await world.smtp.send({ to: inbox, subject: 'looks alike', text: 'x', messageId: shown[0]! })
  expect((await messages.get(inbox, shown[0]!)).subject).toBe(ids[0])
  const [alike] = (await messages.list(inbox, { limit: 1 })).messages
  expect(alike).toMatchObject({ subject: 'looks alike', messageId: '<a~7E~3F~7E~b@x.test>' })
  expect((await messages.get(inbox, alike!.messageId)).subject).toBe('looks alike')

  // A reply refers to the Message-ID of the header, and stays in its thread.
  const reply = await messages.reply(inbox, shown[0]!, { text: 'y' })
  const sent = await messages.get(inbox, reply.messageId)
  expect(sent).toMatchObject({ inReplyTo: ids[0], references: [ids[0]], threadId: list[0]!.threadId })
  await world.smtp.send(mail(inbox, ids[0]!)) // a repetition
  expect((await messages.list(inbox)).messages.filter(({ subject }) => subject === ids[0]).length).toBe(1)
})

test('a message has at most 64 labels', async () => {
  const inbox = await createInbox('labelled', '<many@x.test>')
  const add = (...labels: string[]) =>
    world.request('PATCH', `/v0/inboxes/${inbox}/messages/${encodeURIComponent('<many@x.test>')}`, {
      body: { add_labels: labels },
    })
  // Besides `received` and `unread`.
  expect((await add(...Array.from({ length: 62 }, (_, index) => `l${index}`))).status).toBe(200)
  expect((await add('l0')).status).toBe(200)
  expect(await add('one-more')).toMatchObject({ status: 400, body: { message: expect.stringContaining('64 labels') } })
})
