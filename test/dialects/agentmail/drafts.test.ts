/**
 * Tests drafts through the real SDK: creating, listing, changing, deleting and sending them, and who may do that. One server
 * serves all tests; each test has an inbox of its own.
 */
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { sourceOf } from '../../../src/mail/messages/content/compressed-source.ts'
import { changeRows, readRows } from '../../support/test-database.ts'
import { startWorld, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ limits: { sending: { draftsPerInboxMax: 20 } } })
})
afterAll(() => world[Symbol.asyncDispose]())

let names = 0
/** Creates an inbox that no other test uses. @returns its address and the drafts of the root key */
async function newInbox() {
  const { inboxId } = await world.agentmail.inboxes.create({ username: `inbox${++names}` })
  return { inboxId, drafts: world.agentmail.inboxes.drafts, messages: world.agentmail.inboxes.messages }
}

test('a draft is created, read and sent, and then it is a message', async () => {
  const { inboxId, drafts, messages } = await newInbox()
  const created = await drafts.create(inboxId, {
    to: ['Bob <bob@example.test>'],
    cc: ['cy@example.test'],
    bcc: ['di@example.test'],
    replyTo: ['desk@example.test'],
    subject: 'Plans',
    text: ' hello\nthere\n',
    html: '<p>hello</p>',
    labels: ['Outreach'],
    attachments: [{ filename: 'a.txt', contentType: 'text/plain', content: Buffer.from('file').toString('base64') }],
  })
  const draft = {
    inboxId,
    draftId: expect.any(String),
    labels: ['outreach'],
    to: ['Bob <bob@example.test>'],
    cc: ['cy@example.test'],
    bcc: ['di@example.test'],
    replyTo: ['desk@example.test'],
    subject: 'Plans',
    preview: 'hello there',
    text: ' hello\nthere\n',
    html: '<p>hello</p>',
    attachments: [
      {
        attachmentId: expect.any(String),
        filename: 'a.txt',
        size: 4,
        contentType: 'text/plain',
        contentDisposition: 'attachment',
      },
    ],
    createdAt: expect.any(Date),
    updatedAt: expect.any(Date),
  }
  expect(created).toEqual(draft)
  expect(await drafts.get(inboxId, created.draftId)).toEqual(created)

  const sent = await drafts.send(inboxId, created.draftId, { addLabels: ['approved'] })
  expect(sent).toEqual({ messageId: expect.stringMatching(/^<.+>$/), threadId: expect.any(String) })
  expect(await messages.get(inboxId, sent.messageId)).toMatchObject({
    threadId: sent.threadId,
    labels: ['approved', 'outreach', 'sent'],
    to: ['Bob <bob@example.test>'],
    cc: ['cy@example.test'],
    bcc: ['di@example.test'],
    subject: 'Plans',
    text: expect.stringContaining('hello\nthere'),
    attachments: [{ filename: 'a.txt', size: 4 }],
  })
  await expect(drafts.get(inboxId, created.draftId)).rejects.toMatchObject({ statusCode: 404 })
  await expect(drafts.send(inboxId, created.draftId, {})).rejects.toMatchObject({ statusCode: 404 })
})

test('an update keeps what it omits, and null or an empty list clears', async () => {
  const { inboxId, drafts } = await newInbox()
  const content = (text: string) => Buffer.from(text).toString('base64')
  const { draftId } = await drafts.create(inboxId, {
    to: ['bob@example.test'],
    cc: ['cy@example.test'],
    replyTo: ['desk@example.test'],
    subject: 'Plans',
    text: 'one',
    html: '<p>one</p>',
    labels: ['a', 'b'],
    attachments: [{ filename: '1.txt', content: content('first') }],
  })
  const changed = await drafts.update(inboxId, draftId, {
    cc: [],
    replyTo: null,
    html: null,
    text: 'two',
    addLabels: ['c'],
    removeLabels: ['a'],
    addAttachments: [{ filename: '2.txt', content: content('second') }],
  })
  expect(changed).toMatchObject({ to: ['bob@example.test'], subject: 'Plans', text: 'two', labels: ['b', 'c'] })
  expect(changed).not.toHaveProperty('cc')
  expect(changed).not.toHaveProperty('replyTo')
  expect(changed).not.toHaveProperty('html')
  expect(await drafts.get(inboxId, draftId)).toEqual(changed)

  const [first, second] = changed.attachments!
  expect([first!.filename, second!.filename]).toEqual(['1.txt', '2.txt'])
  const link = await drafts.getAttachment(inboxId, draftId, second!.attachmentId)
  expect(link).toMatchObject({ ...second, downloadUrl: expect.any(String), expiresAt: expect.any(Date) })
  expect(await (await fetch(link.downloadUrl)).text()).toBe('second')

  const without = await drafts.update(inboxId, draftId, { removeAttachments: [first!.attachmentId] })
  expect(without.attachments).toEqual([second])
  expect(await drafts.update(inboxId, draftId, { subject: null })).not.toHaveProperty('subject')
  await drafts.update(inboxId, draftId, { to: null })
  await expect(drafts.send(inboxId, draftId, {})).rejects.toMatchObject({
    statusCode: 422,
    body: { code: 'unprocessable' },
  })
  expect(await drafts.get(inboxId, draftId)).toMatchObject({ text: 'two', attachments: [second] })

  const large = Buffer.alloc(300_000, 'x').toString('base64') // a blob, as the revision with it
  await drafts.update(inboxId, draftId, { addAttachments: [{ filename: '3.bin', content: large }] })
  expect(await blobFiles()).toHaveLength(2)
  await drafts.delete(inboxId, draftId)
  expect(await blobFiles()).toEqual([])
  await expect(drafts.delete(inboxId, draftId)).rejects.toMatchObject({ statusCode: 404 })
  expect((await fetch(link.downloadUrl)).status).toBe(404)
  expect(await readRows(world, UNUSED)).toEqual([[0]])
})

async function blobFiles(): Promise<string[]> {
  const entries = await readdir(world.shared.blobsDir, { recursive: true, withFileTypes: true })
  return entries.filter((each) => each.isFile()).map(({ name }) => name)
}

/** Counts the contents that no row refers to: nothing may be left of a draft. */
const UNUSED = `select count(*) from contents where id not in (select content_id from messages
  union select content_id from submissions union select content_id from draft_parts
  union select content_id from draft_revisions)`

test('lists of an inbox, a pod and the organization show those changed last first, page by page', async () => {
  const pod = await world.agentmail.pods.create({ name: 'approval' })
  const { inboxId } = await world.agentmail.pods.inboxes.create(pod.podId, { username: 'listed' })
  const { drafts } = world.agentmail.inboxes
  const ids: string[] = []
  for (const text of ['one', 'two', 'three']) ids.push((await drafts.create(inboxId, { text, labels: [text] })).draftId)
  await drafts.update(inboxId, ids[0]!, { addLabels: ['Review'] })
  const expected = [ids[0], ids[2], ids[1]]

  const idsOf = (page: { drafts: { draftId: string }[] }) => page.drafts.map(({ draftId }) => draftId)
  const page = await drafts.list(inboxId, { limit: 2 })
  expect(page).toMatchObject({ count: 2, limit: 2, nextPageToken: expect.any(String) })
  expect(page.drafts[0]).toEqual({
    inboxId,
    draftId: ids[0],
    labels: ['one', 'review'],
    preview: 'one',
    updatedAt: expect.any(Date),
  })
  const next = await drafts.list(inboxId, { limit: 2, pageToken: page.nextPageToken! })
  expect([...idsOf(page), ...idsOf(next)]).toEqual(expected)
  expect(next.nextPageToken).toBeUndefined()
  expect(idsOf(await world.agentmail.pods.drafts.list(pod.podId))).toEqual(expected)
  expect(idsOf(await world.agentmail.drafts.list({ limit: 3 }))).toEqual(expected)
  expect(idsOf(await drafts.list(inboxId, { ascending: true }))).toEqual(expected.toReversed())
  expect(idsOf(await drafts.list(inboxId, { labels: ['review', 'one'] }))).toEqual([ids[0]])
  const { updatedAt } = page.drafts[1]!
  expect(idsOf(await drafts.list(inboxId, { after: updatedAt }))).toEqual([ids[0]])
  expect(idsOf(await drafts.list(inboxId, { before: updatedAt }))).toEqual([ids[1]])

  expect((await world.agentmail.pods.drafts.get(pod.podId, ids[1]!)).text).toBe('two')
  expect((await world.agentmail.drafts.get(ids[1]!)).text).toBe('two')
  await expect(world.agentmail.pods.drafts.list('none')).rejects.toMatchObject({ statusCode: 404 })
})

test('changes at once are all kept, or refused', async () => {
  const { inboxId, drafts } = await newInbox()
  const { draftId } = await drafts.create(inboxId, { text: 'x' })
  const changes = Array.from({ length: 6 }, (_each, index) =>
    drafts.update(inboxId, draftId, { addAttachments: [{ filename: `${index}`, content: 'eA==' }] }),
  )
  const results = await Promise.allSettled(changes)
  const kept = results.flatMap(({ status }, index) => (status === 'fulfilled' ? [`${index}`] : []))
  const names = (await drafts.get(inboxId, draftId)).attachments!.map(({ filename }) => filename)
  expect(names.toSorted()).toEqual(kept)
  expect(kept.length).toBeGreaterThan(1)
  for (const result of results) {
    if (result.status === 'rejected') {
      expect(result.reason).toMatchObject({ statusCode: 409, body: { code: 'race_condition' } })
    }
  }
  const inRevision = `select count(*), count(distinct draft_revisions.id) from draft_revisions
    join attachments on attachments.content_id = draft_revisions.content_id where draft_id = '${draftId}'`
  expect(await readRows(world, inRevision)).toEqual([[kept.length, 1]])
})

test('a revision has the whole message with its Bcc, and the sent message has none', async () => {
  const { inboxId, drafts, messages } = await newInbox()
  const { draftId } = await drafts.create(inboxId, {
    ...{ to: ['bob@example.test'], bcc: ['di@example.test'], subject: 'Plans', text: 'x' },
  })
  const revision = `select contents.bytes, contents.size_bytes, contents.parsed from contents
    join draft_revisions on draft_revisions.content_id = contents.id where draft_id = '${draftId}'`
  const [[bytes, sizeBytes, parsed]] = (await readRows(world, revision)) as [[Buffer, number, Buffer]]
  const composed = Buffer.from(sourceOf({ bytes, sizeBytes, parsed })).toString()
  expect(composed).toMatch(/^Bcc: di@example\.test\r$/m)
  expect(composed).toMatch(/^Subject: Plans\r$/m)
  const sent = await drafts.send(inboxId, draftId, {})
  const { downloadUrl } = await messages.getRaw(inboxId, sent.messageId)
  const raw = await (await fetch(downloadUrl)).text()
  expect(raw).toMatch(/^DKIM-Signature: /)
  expect(raw).not.toMatch(/^Bcc:/im)
  expect(raw).not.toContain('di@example.test')
})

test('a reply draft derives recipients, subject and thread, which explicit values override', async () => {
  const { inboxId, drafts, messages } = await newInbox()
  await world.smtp.send({
    from: 'Ann <ann@example.test>',
    to: [inboxId, 'cy@example.test'],
    cc: 'di@example.test',
    subject: 'Plans',
    text: 'x',
    messageId: `<1.${inboxId}>`,
  })
  const parent = await messages.get(inboxId, `<1.${inboxId}>`)
  const source = { inReplyTo: parent.messageId }
  const reply = await drafts.create(inboxId, { ...source, text: 'yes' })
  expect(reply).toMatchObject({
    to: ['Ann <ann@example.test>'],
    subject: 'Re: Plans',
    inReplyTo: parent.messageId,
    references: [parent.messageId],
  })
  const sent = await drafts.send(inboxId, reply.draftId, {})
  expect(sent.threadId).toBe(parent.threadId)
  expect(await messages.get(inboxId, sent.messageId)).toMatchObject({
    to: ['Ann <ann@example.test>'],
    subject: 'Re: Plans',
    inReplyTo: parent.messageId,
    references: [parent.messageId],
  })

  const toAll = await drafts.create(inboxId, { ...source, replyAll: true, text: 'yes' })
  expect(toAll).toMatchObject({ to: ['Ann <ann@example.test>'], cc: ['cy@example.test', 'di@example.test'] })
  const other = await drafts.create(inboxId, { ...source, to: ['eve@example.test'], subject: 'Follow-up', text: 'x' })
  expect(other).toMatchObject({ to: ['eve@example.test'], subject: 'Follow-up', inReplyTo: parent.messageId })
  const refused = [
    { ...source, forwardOf: parent.messageId },
    { ...source, replyAll: true, to: ['eve@example.test'] },
    { replyAll: true },
  ]
  for (const request of refused) {
    await expect(drafts.create(inboxId, request)).rejects.toMatchObject({
      statusCode: 400,
      body: { code: 'validation_error' },
    })
  }
  // A message that was deleted meanwhile is still answered, in its thread.
  await messages.delete(inboxId, parent.messageId)
  const late = await drafts.send(inboxId, other.draftId, {})
  expect(late.threadId).toBe(parent.threadId)
  await expect(drafts.create(inboxId, source)).rejects.toMatchObject({ statusCode: 404 })
})

test('a forward draft gets the body and the attachments of its source when it is sent', async () => {
  const { inboxId, drafts, messages } = await newInbox()
  const attachments = [{ filename: 'big.bin', content: Buffer.alloc(300_000, 'x') }]
  await world.smtp.send({ to: inboxId, subject: 'Plans', text: 'the plan', attachments, messageId: `<1.${inboxId}>` })
  const draft = await drafts.create(inboxId, { forwardOf: `<1.${inboxId}>`, text: 'please read' })
  expect(draft).toMatchObject({ subject: 'Fwd: Plans', text: 'please read', forwardOf: `<1.${inboxId}>` })
  expect(draft).not.toHaveProperty('to')
  expect(draft).not.toHaveProperty('attachments')

  await drafts.update(inboxId, draft.draftId, {
    to: ['eve@example.test'],
    addAttachments: [{ filename: 'own.bin', content: Buffer.alloc(300_000, 'y').toString('base64') }],
  })
  const sent = await drafts.send(inboxId, draft.draftId, {})
  const message = await messages.get(inboxId, sent.messageId)
  expect(message).toMatchObject({
    to: ['eve@example.test'],
    text: expect.stringMatching(/^please read\s+-{10} Forwarded message -+[\s\S]*the plan/),
    threadId: (await messages.get(inboxId, `<1.${inboxId}>`)).threadId,
  })
  expect(message.attachments?.map(({ filename, size }) => [filename, size])).toEqual([
    ['own.bin', 300_000],
    ['big.bin', 300_000],
  ])

  const orphan = await drafts.create(inboxId, { forwardOf: `<1.${inboxId}>`, to: ['eve@example.test'] })
  await messages.delete(inboxId, `<1.${inboxId}>`)
  await expect(drafts.send(inboxId, orphan.draftId, {})).rejects.toMatchObject({
    statusCode: 404,
    body: { message: 'The message that the draft forwards was not found' },
  })
})

test('an attachment by URL is fetched when the draft is created or changed, and has bytes of its own', async () => {
  const { inboxId, drafts } = await newInbox()
  let text = 'first'
  const server = createServer((_request, response) => response.end(text)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file.txt`
  const { draftId, attachments } = await drafts.create(inboxId, { attachments: [{ url }] })
  expect(attachments).toMatchObject([{ filename: 'file.txt', size: 5 }])
  text = 'second'
  const changed = await drafts.update(inboxId, draftId, { addAttachments: [{ url }] })
  const links = await Promise.all(
    changed.attachments!.map((each) => drafts.getAttachment(inboxId, draftId, each.attachmentId)),
  )
  const bytes = links.map(async ({ downloadUrl }) => (await fetch(downloadUrl)).text())
  expect(await Promise.all(bytes)).toEqual(['first', 'second'])
})

test('client_id names a draft: a repeated create returns it, and it works in paths', async () => {
  const { inboxId, drafts } = await newInbox()
  const both = await Promise.all([
    drafts.create(inboxId, { clientId: 'follow-up', text: 'one' }),
    drafts.create(inboxId, { clientId: 'follow-up', text: 'one' }),
  ])
  expect(both[0]).toMatchObject({ clientId: 'follow-up', text: 'one' })
  expect(both[1]).toEqual(both[0])
  expect(await drafts.create(inboxId, { clientId: 'follow-up', text: 'ignored' })).toEqual(both[0])
  expect((await drafts.update(inboxId, 'follow-up', { text: 'two' })).text).toBe('two')
  expect((await drafts.get(inboxId, 'follow-up')).text).toBe('two')
  const other = await newInbox() // another inbox has its own names
  expect((await drafts.create(other.inboxId, { clientId: 'follow-up', text: 'other' })).text).toBe('other')
  await expect(drafts.create(inboxId, { clientId: 'a@b' })).rejects.toMatchObject({ statusCode: 400 })
  await drafts.delete(inboxId, 'follow-up')
  await expect(drafts.get(inboxId, 'follow-up')).rejects.toMatchObject({ statusCode: 404 })
})

// A program that repeated both calls made a second draft and sent it.
test('a client_id whose draft was sent makes no second draft, and sending it again returns the first message', async () => {
  const { inboxId, drafts } = await newInbox()
  const bob = await newInbox()
  const request = { to: [bob.inboxId], text: 'x', clientId: 'plan' }
  await drafts.create(inboxId, request)
  const sent = await drafts.send(inboxId, 'plan', {})
  await expect(drafts.create(inboxId, request)).rejects.toMatchObject({
    statusCode: 400,
    body: { code: 'draft_sent', message: 'The draft with this client_id was sent: its message is in the inbox' },
  })
  expect(await drafts.send(inboxId, 'plan', {})).toEqual(sent)
  expect((await drafts.list(inboxId)).count).toBe(0)
  await expect.poll(async () => (await bob.messages.list(bob.inboxId)).count).toBe(1)
  // In another inbox, and after a draft that was deleted, the name is free.
  await bob.drafts.create(bob.inboxId, request)
  await bob.drafts.delete(bob.inboxId, 'plan')
  await bob.drafts.create(bob.inboxId, request)
  await expect(bob.drafts.send(bob.inboxId, 'other', {})).rejects.toMatchObject({ statusCode: 404 })
})

test('a client_id whose draft was sent by its schedule makes no second draft', async () => {
  const { inboxId, drafts, messages } = await newInbox()
  const request = { to: ['bob@example.test'], text: 'x', clientId: 'plan', sendAt: new Date(0) }
  await drafts.create(inboxId, request)
  await expect.poll(async () => (await messages.list(inboxId)).count).toBe(1)
  await expect(drafts.create(inboxId, request)).rejects.toMatchObject({ body: { code: 'draft_sent' } })
})

test('a repeated send with the same Idempotency-Key answers after the draft is gone, and sends nothing', async () => {
  const { inboxId, drafts, messages } = await newInbox()
  const { draftId } = await drafts.create(inboxId, { to: ['bob@example.test'], text: 'x' })
  const idempotencyKey = `send-${draftId}`
  const sent = await drafts.send(inboxId, draftId, {}, { idempotencyKey })
  expect(await drafts.send(inboxId, draftId, {}, { idempotencyKey })).toEqual(sent)
  expect((await messages.list(inboxId)).messages).toHaveLength(1)
  const other = drafts.send(inboxId, draftId, { addLabels: ['other'] }, { idempotencyKey })
  await expect(other).rejects.toMatchObject({ statusCode: 409, body: { code: 'conflict' } })
})

test('of several sends at once, one sends the draft', async () => {
  const { inboxId, drafts, messages } = await newInbox()
  const { draftId } = await drafts.create(inboxId, { to: ['bob@example.test'], text: 'x' })
  const results = await Promise.allSettled(Array.from({ length: 5 }, () => drafts.send(inboxId, draftId, {})))
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const result of results) {
    if (result.status === 'rejected') expect([404, 409]).toContain(result.reason.statusCode)
  }
  expect((await messages.list(inboxId)).messages).toHaveLength(1)
})

test('while a draft is being sent it shows this and cannot be changed; a sender that died leaves it as it was', async () => {
  const { inboxId, drafts } = await newInbox()
  const { draftId } = await drafts.create(inboxId, { to: ['bob@example.test'], text: 'x' })
  const leaseUntil = (ms: number) =>
    changeRows(world, `update drafts set lease_owner = 'other', lease_until = ${ms} where id = '${draftId}'`)
  await leaseUntil(Date.now() + 60_000)
  expect(await drafts.get(inboxId, draftId)).toMatchObject({ sendStatus: 'sending' })
  const refused = { statusCode: 409, body: { code: 'conflict', message: 'The draft is being sent' } }
  await expect(drafts.update(inboxId, draftId, { text: 'y' })).rejects.toMatchObject(refused)
  await expect(drafts.update(inboxId, draftId, { sendAt: new Date() })).rejects.toMatchObject(refused)
  await expect(drafts.delete(inboxId, draftId)).rejects.toMatchObject(refused)
  await expect(drafts.send(inboxId, draftId, {})).rejects.toMatchObject(refused)

  await leaseUntil(Date.now() - 1)
  expect(await drafts.get(inboxId, draftId)).not.toHaveProperty('sendStatus')
  await drafts.update(inboxId, draftId, { text: 'y' })
  await drafts.send(inboxId, draftId, {})
})

test('each operation needs its permission, and what a key may not see does not exist for it', async () => {
  const { inboxId, drafts } = await newInbox()
  const other = await newInbox()
  await world.smtp.send({ to: inboxId, text: 'x', messageId: `<1.${inboxId}>` })
  const { draftId } = await drafts.create(inboxId, { to: ['bob@example.test'], text: 'x' })
  const path = `/v0/inboxes/${inboxId}/drafts`
  const calls: [string, string, string, object?][] = [
    ['draft_create', 'POST', path, { text: 'x' }],
    ['draft_read', 'GET', path],
    ['draft_read', 'GET', `${path}/${draftId}`],
    ['draft_read', 'GET', `/v0/drafts/${draftId}`],
    ['draft_read', 'GET', `${path}/${draftId}/attachments/x`],
    ['draft_update', 'PATCH', `${path}/${draftId}`, { text: 'y' }],
    ['draft_delete', 'DELETE', `${path}/${draftId}`],
    ['draft_send', 'POST', `${path}/${draftId}/send`, {}],
  ]
  const flags = [...new Set(calls.map(([flag]) => flag))]
  const keyWith = async (granted: readonly string[], inbox = inboxId) => {
    const permissions = Object.fromEntries(granted.map((flag) => [flag, true]))
    const { body } = await world.request('POST', `/v0/inboxes/${inbox}/api-keys`, { body: { permissions } })
    return body.api_key as string
  }
  for (const flag of flags) {
    const key = await keyWith(flags.filter((each) => each !== flag))
    for (const [, method, at, body] of calls.filter(([needed]) => needed === flag)) {
      const answer = await world.request(method, at, { key, body })
      expect(answer, `${method} ${at}`).toMatchObject({
        status: 403,
        body: { code: 'missing_permission', fix: expect.stringContaining(flag) },
      })
    }
  }
  const foreign = await keyWith(flags, other.inboxId)
  for (const [, method, at, body] of calls)
    expect((await world.request(method, at, { key: foreign, body })).status, `${method} ${at}`).toBe(404)
  expect((await world.request('GET', '/v0/drafts', { key: foreign })).body).toMatchObject({ count: 0 })

  // A key that may only write drafts cannot send them by a schedule, nor change what another key has scheduled.
  const writer = await keyWith(['draft_create', 'draft_update', 'draft_read'])
  const sendAt = new Date(Date.now() + 3_600_000)
  const refused = { status: 403, body: { fix: expect.stringContaining('draft_send') } }
  expect(await world.request('POST', path, { key: writer, body: { send_at: sendAt } })).toMatchObject(refused)
  expect(await world.request('PATCH', `${path}/${draftId}`, { key: writer, body: { send_at: sendAt } })).toMatchObject(
    refused,
  )
  await drafts.update(inboxId, draftId, { sendAt })
  expect(await world.request('PATCH', `${path}/${draftId}`, { key: writer, body: { text: 'z' } })).toMatchObject(
    refused,
  )
  const unscheduled = await world.request('PATCH', `${path}/${draftId}`, { key: writer, body: { send_at: null } })
  expect(unscheduled.status).toBe(200)

  // The source of a reply or forward needs message_read.
  for (const source of [{ in_reply_to: `<1.${inboxId}>` }, { forward_of: `<1.${inboxId}>` }]) {
    expect(await world.request('POST', path, { key: writer, body: source })).toMatchObject({
      status: 403,
      body: { fix: expect.stringContaining('message_read') },
    })
  }
})

test('invalid drafts are refused with a sentence, and not stored', async () => {
  const { inboxId, drafts } = await newInbox()
  const path = `/v0/inboxes/${inboxId}/drafts`
  const { draftId } = await drafts.create(inboxId, { text: 'x' })
  const invalid: [object, string][] = [
    [{ to: ['nobody'] }, 'to.0'],
    [{ to: 5 }, 'to'],
    [{ subject: {} }, 'subject'],
    [{ send_at: '+99999-01-01T00:00:00Z' }, 'send_at'],
    [{ send_at: '9999-01-01T00:00:00Z' }, 'send_at'],
    [{ send_at: 'tomorrow' }, 'send_at'],
  ]
  const both = (body: object) => [
    world.request('POST', path, { body }),
    world.request('PATCH', `${path}/${draftId}`, { body }),
  ]
  for (const [body, field] of invalid) {
    for (const answer of await Promise.all(both(body))) {
      expect(answer, JSON.stringify(body)).toMatchObject({ status: 400, body: { code: 'validation_error' } })
      expect(answer.body.errors[0].path.join('.')).toBe(field)
    }
  }
  const system = { status: 400, body: { code: 'validation_error' } }
  expect(await world.request('POST', path, { body: { labels: ['sent'] } })).toMatchObject(system)
  for (const list of ['add_labels', 'remove_labels'])
    expect(await world.request('PATCH', `${path}/${draftId}`, { body: { [list]: ['scheduled'] } })).toMatchObject(
      system,
    )
  const many = Array.from({ length: 51 }, (_each, index) => `r${index}@example.test`)
  expect((await world.request('POST', path, { body: { to: many } })).status).toBe(400)
  await drafts.update(inboxId, draftId, { to: many.slice(0, 30) })
  expect((await world.request('PATCH', `${path}/${draftId}`, { body: { cc: many.slice(30) } })).status).toBe(400)
  expect((await world.request('PATCH', `${path}/${draftId}`, { body: { remove_attachments: ['x'] } })).status).toBe(404)
  expect((await world.request('GET', `${path}/%3Cany%2Fid%3E`)).status).toBe(404)

  // Line breaks and half a character do not belong into a header field.
  const odd = await drafts.create(inboxId, {
    subject: 'a\nb\ud800',

    attachments: [{ filename: 'e\n', content: '' }],
  })
  expect(odd).toMatchObject({ subject: 'a b\ufffd', attachments: [{ filename: 'e', size: 0 }] })

  expect((await drafts.list(inboxId)).drafts).toHaveLength(2)
  for (let count = 2; count < 20; count += 1) await drafts.create(inboxId, {})
  await expect(drafts.create(inboxId, {})).rejects.toMatchObject({ statusCode: 403, body: { code: 'limit_exceeded' } })
})

test('a scheduled draft shows it, is sent at its time, and is deleted', async () => {
  const { inboxId, drafts, messages } = await newInbox()
  const later = new Date(Date.now() + 3_600_000)
  const draft = await drafts.create(inboxId, { to: ['bob@example.test'], text: 'x', labels: ['a'], sendAt: later })
  expect(draft).toMatchObject({ sendStatus: 'scheduled', sendAt: later, labels: ['a', 'scheduled'] })
  expect((await drafts.list(inboxId, { labels: ['scheduled'] })).drafts).toMatchObject([{ sendStatus: 'scheduled' }])
  const { draftId } = draft
  const plain = await drafts.update(inboxId, draftId, { sendAt: null })
  expect(plain.labels).toEqual(['a'])
  expect(plain).not.toHaveProperty('sendStatus')
  expect(plain).not.toHaveProperty('sendAt')
  expect((await drafts.list(inboxId, { labels: ['scheduled'] })).drafts).toEqual([])

  await using socket = disposable(await world.subscribe({ inboxIds: [inboxId], eventTypes: ['message.sent'] }))
  const soon = new Date(Date.now() + 300)
  await drafts.update(inboxId, draftId, { sendAt: soon })
  const { send } = await socket.next('message.sent')
  expect(Date.parse(send.timestamp)).toBeGreaterThanOrEqual(soon.getTime())
  expect((await messages.get(inboxId, send.message_id)).labels).toEqual(['a', 'sent'])
  await expect(drafts.get(inboxId, draftId)).rejects.toMatchObject({ statusCode: 404 })
})

test('a schedule whose key is gone, or that cannot be sent, fails with a reason, and a new one retries', async () => {
  const { inboxId, drafts } = await newInbox()
  const path = `/v0/inboxes/${inboxId}/drafts`
  const newKey = async () => (await world.request('POST', `/v0/inboxes/${inboxId}/api-keys`, { body: {} })).body
  const gone = await newKey()
  const inAnHour = new Date(Date.now() + 3_600_000)
  const body = { to: 'bob@example.test', text: 'x', send_at: new Date(Date.now() + 400) }
  const { draft_id: draftId } = (await world.request('POST', path, { key: gone.api_key, body })).body
  await world.agentmail.inboxes.apiKeys.delete(inboxId, gone.api_key_id)
  const status = async (id: string) => (await world.request('GET', `${path}/${id}`)).body
  await expect
    .poll(() => status(draftId), { timeout: 5_000 })
    .toMatchObject({
      send_status: 'failed',
      send_error: 'The API key that scheduled it was deleted or has expired',
      labels: [],
    })

  const empty = await drafts.create(inboxId, { text: 'x', sendAt: new Date() })
  await expect
    .poll(() => status(empty.draftId))
    .toMatchObject({
      send_status: 'failed',
      send_error: 'The message has no recipients',
    })
  expect(await drafts.update(inboxId, empty.draftId, { sendAt: inAnHour })).toMatchObject({ sendStatus: 'scheduled' })
  expect(await status(empty.draftId)).not.toHaveProperty('send_error')

  const inboxPath = `/v0/inboxes/${inboxId}`
  await world.request('PATCH', inboxPath, { body: { status: 'paused' } })
  await drafts.update(inboxId, draftId, { sendAt: new Date(0) })
  await expect
    .poll(() => status(draftId))
    .toMatchObject({
      send_status: 'failed',
      send_error: `The inbox ${inboxId} is paused`,
    })
  await world.request('PATCH', inboxPath, { body: { status: 'active' } })

  await using socket = disposable(await world.subscribe({ inboxIds: [inboxId], eventTypes: ['message.sent'] }))
  await drafts.update(inboxId, draftId, { sendAt: new Date(0) })
  await socket.next('message.sent')
})

test('a draft to a blocked address is not sent, and stays as it is', async () => {
  const { inboxId, drafts } = await newInbox()
  const entry = 'no@example.test'
  await world.request('POST', `/v0/inboxes/${inboxId}/lists/send/block`, { body: { entry } })
  const draft = await drafts.create(inboxId, { to: [entry], text: 'x' })
  await expect(drafts.send(inboxId, draft.draftId, {})).rejects.toMatchObject({
    statusCode: 403,
    body: { code: 'message_rejected' },
  })
  expect(await drafts.get(inboxId, draft.draftId)).toEqual(draft)
})

test('deleting an inbox deletes its drafts', async () => {
  const { inboxId, drafts } = await newInbox()
  const { draftId } = await drafts.create(inboxId, { text: 'x', sendAt: new Date(Date.now() + 3_600_000) })
  await world.agentmail.inboxes.delete(inboxId)
  await expect(world.agentmail.drafts.get(draftId)).rejects.toMatchObject({ statusCode: 404 })
  await expect
    .poll(
      async () => (await world.request('POST', '/v0/inboxes', { body: { username: inboxId.split('@')[0] } })).status,
    )
    .toBe(200)
  expect((await drafts.list(inboxId)).drafts).toEqual([])
})

function disposable<Closable extends { close(): void }>(closable: Closable): Closable & AsyncDisposable {
  return Object.assign(closable, { [Symbol.asyncDispose]: async () => closable.close() })
}

test('a repeated create shows the draft to the key that made it, and to others only if they may read drafts', async () => {
  const { inboxId } = await world.agentmail.inboxes.create({})
  const body = { permissions: { draft_create: true } }
  const writer = async () => (await world.request('POST', `/v0/inboxes/${inboxId}/api-keys`, { body })).body.api_key
  const [one, other] = [world.agentmailAs(await writer()), world.agentmailAs(await writer())]
  const request = { clientId: 'mine', text: 'not for others' }
  const draft = await one.inboxes.drafts.create(inboxId, request)
  expect(await one.inboxes.drafts.create(inboxId, request)).toMatchObject({
    draftId: draft.draftId,
    text: request.text,
  })
  const refused = { statusCode: 403, body: { code: 'missing_permission', fix: expect.stringContaining('draft_read') } }
  await expect(other.inboxes.drafts.create(inboxId, { clientId: 'mine' })).rejects.toMatchObject(refused)
})

// Large messages of an organization were parsed in the order of the requests, whichever pod they came from.
test('changes of large drafts of one pod let one of another pod take its turn', async () => {
  const newDraft = async (podId: string) => {
    const { inboxId } = await world.agentmail.pods.inboxes.create(podId, { username: `inbox${++names}` })
    const { draftId } = await world.agentmail.inboxes.drafts.create(inboxId, { text: 'x' })
    return [inboxId, draftId] as const
  }
  const [busy, fine] = [await world.agentmail.pods.create({}), await world.agentmail.pods.create({})]
  const busyDrafts = []
  for (let number = 0; number < 5; number += 1) busyDrafts.push(await newDraft(busy.podId))
  const fineDraft = await newDraft(fine.podId)
  const content = Buffer.from('some text. '.repeat(19_000)).toString('base64')
  const order: string[] = []
  const change = async (name: string, [inboxId, draftId]: readonly [string, string]) => {
    const addAttachments = [{ contentType: 'text/plain', content }]
    await world.agentmail.inboxes.drafts.update(inboxId, draftId, { addAttachments })
    order.push(name)
  }
  await Promise.all([...busyDrafts.map((draft) => change('busy', draft)), change('fine', fineDraft)])
  expect(order).toHaveLength(6)
  expect(order.at(-1)).toBe('busy')
})
