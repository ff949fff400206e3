import { expect, onTestFinished, test } from 'vitest'
import { sharedByFile } from '../support/shared-by-file.ts'
import { startWorld } from '../support/world.ts'

const sharedWorld = sharedByFile(() => startWorld())
let inboxCount = 0

/** Creates an inbox at the shared server, which is deleted after the test: the organization has no other threads. */
async function createInbox() {
  const world = await sharedWorld()
  inboxCount += 1
  const inbox = await world.agentmail.inboxes.create({ username: `ada${inboxCount}` })
  onTestFinished(() => world.agentmail.inboxes.delete(inbox.inboxId))
  return { world, inbox }
}

// A thread's list entry used to include the text and file names of its spam, and its spam label could be removed
// through it.
test('a key that may not read spam cannot learn about it, or change it, through its thread', async () => {
  const { world, inbox: ada } = await createInbox()
  const socket = await world.subscribe({ inboxIds: [ada.inboxId] })
  const send = (mail: object) => world.smtp.send({ to: ada.email, ...mail })
  await send({ from: 'ann@example.test', messageId: '<seen@x.test>', subject: 'hello', text: 'seen words' })
  const seen = (await socket.next('message.received')).message
  await send({
    from: 'eve@example.test',
    messageId: '<hidden@x.test>',
    inReplyTo: '<seen@x.test>',
    text: 'hidden words',
    attachments: [{ filename: 'hidden.bin', content: 'x' }],
  })
  const hidden = (await socket.next('message.received')).message
  expect(hidden.thread_id).toBe(seen.thread_id)
  const path = (id: string) => `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(id)}`
  await world.request('PATCH', path('<hidden@x.test>'), { body: { add_labels: ['spam'] } })
  const permissions = { inbox_read: true, message_read: true, message_update: true, message_delete: true }
  const { body: made } = await world.request('POST', '/v0/api-keys', { body: { name: 'narrow', permissions } })
  const key: string = made.api_key

  const list = await world.request('GET', '/v0/threads', { key })
  const thread = await world.request('GET', `/v0/threads/${seen.thread_id}`, { key })
  expect(list.body.threads).toHaveLength(1)
  for (const shown of [list.body.threads[0], thread.body]) {
    expect(JSON.stringify(shown)).not.toMatch(/hidden|eve|spam/)
    expect(shown).toMatchObject({ preview: 'seen words', message_count: 1, last_message_id: '<seen@x.test>' })
  }
  expect((await world.request('GET', path('<hidden@x.test>'), { key })).status).toBe(404)

  // The key can neither reveal nor delete a message that it may not see.
  await world.request('PATCH', `/v0/threads/${seen.thread_id}`, { key, body: { remove_labels: ['spam'] } })
  expect((await world.request('GET', path('<hidden@x.test>'), { key })).status).toBe(404)
  expect((await world.request('DELETE', `/v0/threads/${seen.thread_id}`, { key })).status).toBe(204)
  expect((await world.request('GET', path('<seen@x.test>'))).status).toBe(404)
  expect((await world.request('GET', path('<hidden@x.test>'))).body.labels).toContain('spam')
})

test('deleting a hidden message leaves its thread visible, even if more messages are hidden later', async () => {
  const { world, inbox: ada } = await createInbox()
  const send = (name: string, references: string | undefined = '<seen@x.test>') =>
    world.smtp.send({ to: ada.email, messageId: `<${name}@x.test>`, references, text: `${name} words` })
  for (const name of ['seen', 'first']) await send(name)
  await send('other', '')
  for (const name of ['second', 'third']) await send(name)
  const path = (name: string) => `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(`<${name}@x.test>`)}`
  const hide = (name: string) => world.request('PATCH', path(name), { body: { add_labels: ['spam'] } })
  await hide('first')
  expect((await world.request('DELETE', path('first'))).status).toBe(204)
  await hide('second')
  expect((await world.request('DELETE', path('third'))).status).toBe(204)

  const { threads } = (await world.request('GET', `/v0/inboxes/${ada.email}/threads`)).body
  expect(threads).toMatchObject([{ preview: 'other words' }, { message_count: 1, preview: 'seen words' }])
})

// Filters used to match hidden messages of a thread: a key could guess their senders and labels piece by piece.
test('filters, order and times of threads reveal nothing of a hidden message', async () => {
  const { world, inbox } = await createInbox()
  const ada = inbox.email
  const send = (id: string, mail: object) =>
    world.smtp.send({ to: ada, messageId: `<${id}@x.test>`, text: 'x', ...mail })
  await send('first', { from: '"Secret, Inc." <sec@example.test>', subject: 'oracle one' })
  await send('seen', { from: 'Ann <ann@example.test>', inReplyTo: '<first@x.test>', subject: 'Re: plans' })
  await send('other', { from: 'bo@example.test', subject: 'other' })
  const secret = { from: 'eve@example.test', cc: 'zed@example.test', inReplyTo: '<seen@x.test>', subject: 'oracle two' }
  await send('last', secret)
  const path = (id: string) => `/v0/inboxes/${ada}/messages/${encodeURIComponent(`<${id}@x.test>`)}`
  const change = async (id: string, body: object) =>
    expect((await world.request('PATCH', path(id), { body })).status).toBe(200)
  const times = new Map<string, string>()
  for (const id of ['seen', 'other', 'last']) {
    times.set(id, (await world.request('GET', path(id))).body.timestamp)
    await change(id, { add_labels: [`own-${id}`] })
  }
  const keyOf = async (flags: string[]) => {
    const permissions = Object.fromEntries(['message_read', ...flags].map((flag) => [flag, true]))
    return (await world.request('POST', '/v0/api-keys', { body: { permissions } })).body.api_key as string
  }
  const [narrow, wide] = [await keyOf([]), await keyOf(['label_trash_read'])]
  /** Last messages of the threads that are found. */
  const find = async (query: string, key = narrow) => {
    const { status, body } = await world.request('GET', `/v0/threads?${query}`, { key })
    expect(status).toBe(200)
    return body.threads.map((thread: { last_message_id: string }) => thread.last_message_id.slice(1, -8))
  }
  const after = (id: string) => `after=${encodeURIComponent(times.get(id)!)}`
  const before = (id: string) => `before=${encodeURIComponent(times.get(id)!)}`
  const ofHidden = [
    ...['senders=eve', 'senders=secret', 'recipients=zed', 'labels=own-last', 'labels=trash', 'subject=oracle'],
    ...[after('other'), `senders=ann&senders=eve`],
  ]
  for (const query of ofHidden.filter((each) => each !== 'labels=trash'))
    expect(await find(query), query).toEqual(['last'])
  expect(await find('')).toEqual(['last', 'other'])

  for (const id of ['first', 'last']) await change(id, { add_labels: ['trash'] })
  for (const key of [narrow, wide, world.rootKey]) {
    for (const query of ofHidden) expect(await find(query, key), query).toEqual([])
    expect(await find('', key)).toEqual(['other', 'seen'])
    const ofSeen = [
      ...['senders=ann', 'senders=Ann+%3Cann@', 'recipients=ada', 'labels=own-seen', 'labels=received'],
      ...['subject=plans', before('other'), 'senders=ann&recipients=ada'],
    ]
    for (const query of ofSeen) expect(await find(query, key), query).toContain('seen')
  }
  const { threads } = (await world.request('GET', '/v0/threads', { key: narrow })).body
  expect(threads[1]).toMatchObject({ subject: 'Re: plans', timestamp: times.get('seen'), message_count: 1 })
  expect(JSON.stringify(threads)).not.toContain('oracle')

  // A key that may see it finds it with include_trash.
  const whole = (await world.request('GET', `/v0/threads/${threads[1].thread_id}`)).body
  expect(whole).toMatchObject({ last_message_id: '<last@x.test>', timestamp: times.get('last'), message_count: 3 })
  for (const key of [wide, world.rootKey]) {
    for (const query of ofHidden.filter((each) => !each.startsWith('after'))) {
      expect(await find(`include_trash=true&${query}`, key), query).toEqual(['last'])
    }
  }
  expect(await find('include_trash=true&senders=eve')).toEqual([])
  for (const id of ['first', 'last']) await change(id, { remove_labels: ['trash'] })
  expect(await find('')).toEqual(['last', 'other'])
  expect(await find('senders=eve')).toEqual(['last'])
  for (const id of ['first', 'last']) {
    await change(id, { add_labels: ['trash'] })
    expect((await world.request('DELETE', path(id))).status).toBe(204)
  }
  expect(await find('')).toEqual(['other', 'seen'])
  expect(await find('subject=oracle', world.rootKey)).toEqual([])
  const reply = { to: 'zed@example.test', text: 'y', labels: ['trash'] } // hidden from its beginning
  await world.agentmail.inboxes.messages.reply(ada, '<seen@x.test>', reply)
  expect(await find('')).toEqual(['other', 'seen'])
})

// Such a thread used to show all its stored fields, hidden messages included.
test('a thread with many newer hidden messages shows the visible one below, or is not found', async () => {
  await using world = await startWorld({ limits: { lists: { threadPartMessagesMax: 2 } } })
  const ada = (await world.agentmail.inboxes.create({ username: 'ada' })).email
  const send = (name: string) => {
    const words = { messageId: `<${name}@x.test>`, references: '<seen@x.test>', text: `${name} words` }
    return world.smtp.send({ to: ada, from: `${name}@example.test`, ...words })
  }
  const path = (name: string) => `/v0/inboxes/${ada}/messages/${encodeURIComponent(`<${name}@x.test>`)}`
  const label = (name: string, body: object) => world.request('PATCH', path(name), { body })
  for (const name of ['seen', 'spam1', 'spam2', 'trash1']) await send(name)
  for (const name of ['spam1', 'spam2']) await label(name, { add_labels: ['spam'] })
  await label('trash1', { add_labels: ['trash'] })
  const permissions = { message_read: true, label_trash_read: true }
  const { api_key: key } = (await world.request('POST', '/v0/api-keys', { body: { permissions } })).body
  const list = async () => (await world.request('GET', '/v0/threads', { key })).body.threads
  expect(JSON.stringify(await list())).not.toMatch(/spam|trash/)
  expect(await list()).toMatchObject([{ preview: 'seen words', senders: ['seen@example.test'], message_count: 1 }])
  const id = (await list())[0].thread_id

  await label('seen', { add_labels: ['spam'] })
  for (const query of ['', '?include_trash=true']) {
    expect((await world.request('GET', `/v0/threads${query}`, { key })).body.threads).toEqual([])
  }
  expect((await world.request('GET', `/v0/threads/${id}`, { key })).status).toBe(404)
})

test('a key that hides a whole thread from itself gets the labels of the messages that it changed, not those of hidden ones', async () => {
  const { world, inbox } = await createInbox()
  const ada = inbox.email
  for (const [id, words] of Object.entries({ hidden: {}, seen: { inReplyTo: '<hidden@x.test>' } })) {
    await world.smtp.send({ to: ada, messageId: `<${id}@x.test>`, text: 'x', ...words })
  }
  const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent('<hidden@x.test>')}`
  await world.request('PATCH', path, { body: { add_labels: ['spam', 'oracle'] } })
  const permissions = { message_read: true, message_update: true }
  const { api_key: key } = (await world.request('POST', '/v0/api-keys', { body: { permissions } })).body
  const [{ thread_id: id }] = (await world.request('GET', '/v0/threads', { key })).body.threads
  const changed = await world.request('PATCH', `/v0/threads/${id}`, { key, body: { add_labels: ['trash'] } })
  expect(changed).toMatchObject({ status: 200, body: { labels: ['received', 'trash', 'unread'] } })
  expect((await world.request('GET', `/v0/threads/${id}`, { key })).status).toBe(404)
})
