/**
 * Tests the events of deletions and drafts: who gets them, over which transports, and for what. Only subscribers that name
 * the types do: AgentMail's clients would take an unknown type for a received message. What mail programs do is in
 * imap-and-rest.test.ts and imap-drafts.test.ts.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Frame } from '../support/socket-client.ts'
import { startWebhookSink } from '../support/webhook-sink.ts'
import { startWorld, type World } from '../support/world.ts'

const TYPES = ['message.deleted', 'draft.created', 'draft.updated', 'draft.deleted', 'draft.sent']

let world: World

beforeAll(async () => {
  world = await startWorld({ limits: { sending: { schedulePollMs: 20 } } })
})
afterAll(() => world?.[Symbol.asyncDispose]())

let inboxes = 0
async function addInbox(): Promise<string> {
  inboxes += 1
  return (await world.agentmail.inboxes.create({ username: `inbox${inboxes}` })).inboxId
}

/** @param inboxId the scope of the key; undefined: the organization */
async function keyWith(flags: readonly string[], inboxId?: string): Promise<string> {
  const permissions = Object.fromEntries(flags.map((flag) => [flag, true]))
  const at = inboxId === undefined ? '' : `/inboxes/${inboxId}`
  return (await world.request('POST', `/v0${at}/api-keys`, { body: { permissions } })).body.api_key
}

/** Receives a message. @returns its message_id */
async function receive(inboxId: string, subject = 'hello', inReplyTo?: string): Promise<string> {
  const messageId = `<${subject}.${inboxId}>`
  await world.smtp.send({ to: inboxId, subject, text: 'x', messageId, ...(inReplyTo && { inReplyTo }) })
  return messageId
}

/** Writes, changes, removes and sends drafts, and deletes a message: one event of each type. */
async function changeAll(inboxId: string) {
  const { drafts, messages } = world.agentmail.inboxes
  const { draftId: kept } = await drafts.create(inboxId, { to: ['bob@example.test'], text: 'x', clientId: 'mine' })
  await drafts.update(inboxId, kept, { subject: 'better' })
  const { draftId: refused } = await drafts.create(inboxId, { text: 'no' })
  await drafts.delete(inboxId, refused)
  const sent = await drafts.send(inboxId, kept, {})
  await messages.delete(inboxId, sent.messageId)
  const draft = { inbox_id: inboxId, timestamp: expect.any(String) }
  const message = { message_id: sent.messageId, thread_id: sent.threadId }
  return [
    { event_type: 'draft.created', draft: { ...draft, draft_id: kept, client_id: 'mine' } },
    { event_type: 'draft.updated', draft: { ...draft, draft_id: kept, client_id: 'mine' } },
    { event_type: 'draft.created', draft: { ...draft, draft_id: refused } },
    { event_type: 'draft.deleted', draft: { ...draft, draft_id: refused } },
    { event_type: 'draft.sent', draft: { ...draft, ...message, draft_id: kept, client_id: 'mine' } },
    { event_type: 'message.deleted', deletion: { ...draft, ...message, labels: ['sent'] } },
  ].map((event) => ({ ...event, type: 'event', event_id: expect.stringMatching(/^evt_/) }))
}

const withoutCursor = ({ cursor, ...event }: Frame): Frame => event

test('sockets, lists and webhooks that name the types get one event per change; others get nothing new', async () => {
  const inboxId = await addInbox()
  const filter = { inboxIds: [inboxId] }
  const named = await world.subscribe({ ...filter, eventTypes: TYPES })
  const standard = await world.subscribe(filter)
  await using namedSink = await startWebhookSink()
  await using standardSink = await startWebhookSink()
  for (const [{ url }, more] of [
    [namedSink, { event_types: TYPES }],
    [standardSink, {}],
  ] as const) {
    const body = { url, inbox_ids: [inboxId], ordered: true, ...more }
    expect((await world.request('POST', '/v0/webhooks', { body })).status).toBe(200)
  }

  const expected = await changeAll(inboxId)
  await receive(inboxId, 'last')
  const frames: Frame[] = []
  while (frames.length < expected.length) frames.push(await named.next())
  expect(frames.map(withoutCursor)).toEqual(expected)
  expect(new Set(frames.map(({ event_id }) => event_id)).size).toBe(expected.length)
  const list = async (query: string) =>
    (await world.request('GET', `/v0/events?inbox_ids=${encodeURIComponent(inboxId)}${query}`)).body.events
  expect(await list(TYPES.map((type) => `&event_types=${type}`).join(''))).toEqual(frames)
  await namedSink.count(expected.length)
  expect(namedSink.calls.map(({ event }) => event)).toEqual(frames.map(withoutCursor))

  const standardTypes = ['message.sent', 'message.received']
  expect([(await standard.next()).event_type, (await standard.next()).event_type]).toEqual(standardTypes)
  expect((await list('')).map(({ event_type }: Frame) => event_type)).toEqual(standardTypes)
  await standardSink.count(2)
  expect(standardSink.calls.map(({ event }) => event.event_type)).toEqual(standardTypes)
  expect([standard.pending, named.pending]).toEqual([[], []])
})

test('a draft is reported only to keys that may read drafts, of its inbox', async () => {
  const inboxId = await addInbox()
  const other = await addInbox()
  const narrow = await keyWith(['message_read', 'draft_create', 'webhook_create'])
  const socket = await world.subscribe({ key: narrow, inboxIds: [inboxId] })
  for (const type of TYPES.filter((each) => each.startsWith('draft.'))) {
    socket.send({ type: 'subscribe', event_types: [type] })
    expect(await socket.nextFrame(({ type: kind }) => kind === 'error')).toMatchObject({
      message: 'draft_read is forbidden',
    })
    expect((await world.request('GET', `/v0/events?event_types=${type}`, { key: narrow })).status).toBe(403)
    const body = { url: 'http://127.0.0.1:9/', event_types: [type] }
    expect((await world.request('POST', '/v0/webhooks', { body, key: narrow })).status).toBe(403)
  }
  const flags = ['message_read', 'draft_read']
  const elsewhere = await world.subscribe({ key: await keyWith(flags, other), eventTypes: TYPES })
  const here = await world.subscribe({ key: await keyWith(flags, inboxId), eventTypes: TYPES })
  const { drafts } = world.agentmail.inboxes
  const { draftId } = await drafts.create(inboxId, { text: 'x' })
  const { draftId: last } = await drafts.create(other, { text: 'x' })
  expect((await here.next()).draft.draft_id).toBe(draftId)
  expect((await elsewhere.next()).draft.draft_id).toBe(last)
})

test('the deletion of a hidden message is reported only to keys that could see it', async () => {
  const inboxId = await addInbox()
  const { messages } = world.agentmail.inboxes
  const ids: string[] = []
  for (const label of ['trash', 'spam', 'seen']) {
    const id = await receive(inboxId, label)
    ids.push(id)
    await messages.update(inboxId, id, { addLabels: [label] })
  }
  const flags = ['message_read', 'label_spam_read']
  const narrow = await world.subscribe({ key: await keyWith(flags, inboxId), eventTypes: TYPES.slice(0, 1) })
  const whole = await world.subscribe({ inboxIds: [inboxId], eventTypes: ['message.deleted'] })
  for (const id of ids) await messages.delete(inboxId, id)
  const deleted: Frame[] = []
  while (deleted.length < ids.length) deleted.push((await whole.next()).deletion.message_id)
  expect(deleted).toEqual(ids)
  expect((await narrow.next()).deletion).toMatchObject({ message_id: ids[1], labels: ['received', 'spam', 'unread'] })
  expect((await narrow.next()).deletion.message_id).toBe(ids[2])
})

test('the deletion of a thread is an event per message; that of an inbox is inbox.deleted alone', async () => {
  const inboxId = await addInbox()
  const eventTypes = [...TYPES, 'inbox.deleted', 'message.received']
  const socket = await world.subscribe({ inboxIds: [inboxId], eventTypes })
  const ids: string[] = []
  // More than one transaction deletes (limits.jobs.removalMessages).
  for (let count = 0; count < 7; count += 1) ids.push(await receive(inboxId, `mail${count}`, ids[0]))
  const { thread } = await socket.next('message.received')
  await world.request('DELETE', `/v0/threads/${thread.thread_id}?permanent=true`)
  const deleted: string[] = []
  while (deleted.length < ids.length) deleted.push((await socket.next('message.deleted')).deletion.message_id)
  expect(deleted).toEqual(ids)

  await receive(inboxId, 'left')
  await world.agentmail.inboxes.drafts.create(inboxId, { text: 'x' })
  await socket.next('draft.created')
  await world.agentmail.inboxes.delete(inboxId)
  await socket.next('inbox.deleted')
  // Its messages and drafts are gone when the address is free again.
  await expect
    .poll(() => world.agentmail.inboxes.create({ username: inboxId.split('@')[0]! }).catch(() => undefined), {
      timeout: 20_000,
    })
    .toBeTruthy()
  const marker = await addInbox()
  const all = await world.subscribe({ after: 'earliest', eventTypes })
  await world.agentmail.inboxes.drafts.create(marker, { text: 'x' })
  const ofInbox: string[] = []
  for (let frame = await all.next(); frame.draft?.inbox_id !== marker; frame = await all.next()) {
    const about = frame.draft ?? frame.deletion ?? frame.inbox
    if (about?.inbox_id === inboxId) ofInbox.push(frame.event_type)
  }
  expect(ofInbox).toEqual([...ids.map(() => 'message.deleted'), 'draft.created', 'inbox.deleted'])
})

test('a scheduled draft that cannot be sent says why, and its event does not; one that is sent has draft.sent', async () => {
  const inboxId = await addInbox()
  const blocked = 'blocked@example.test'
  await world.request('POST', `/v0/inboxes/${inboxId}/lists/send/block`, { body: { entry: blocked } })
  const socket = await world.subscribe({ inboxIds: [inboxId], eventTypes: TYPES })
  const schedule = async (draft: object) => {
    const body = { text: 'x', send_at: '2020-01-01T00:00:00Z', ...draft }
    return (await world.request('POST', `/v0/inboxes/${inboxId}/drafts`, { body })).body.draft_id
  }
  const failing = await schedule({ to: blocked })
  const about = { draft_id: failing, send_at: '2020-01-01T00:00:00.000Z' }
  expect((await socket.next('draft.created')).draft).toMatchObject({ ...about, send_status: 'scheduled' })
  const { draft: failed } = await socket.next('draft.updated')
  const { body: shown } = await world.request('GET', `/v0/drafts/${failing}`)
  expect(shown).toMatchObject({ send_status: 'failed', send_error: expect.stringContaining(blocked) })
  expect(failed).toEqual({ ...about, inbox_id: inboxId, send_status: 'failed', timestamp: shown.updated_at })
  const sent = await schedule({ to: 'bob@example.test' })
  const { draft } = await socket.next('draft.sent')
  expect(draft).toMatchObject({ draft_id: sent, message_id: expect.stringMatching(/^<.+>$/) })
  expect(draft).not.toHaveProperty('send_status')
})
