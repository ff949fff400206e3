/**
 * Tests the messages of an inbox: lists and their filters, bodies, labels, downloads, deletion. The messages arrive
 * over real SMTP.
 */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { sharedByFile } from '../../support/shared-by-file.ts'
import { startWorld, type World } from '../../support/world.ts'

/** For tests that need no special settings. Each has an inbox of its own. */
const sharedWorld = sharedByFile(() => startWorld())
let inboxCount = 0

async function withInbox(world: World) {
  inboxCount += 1
  const inbox = await world.agentmail.inboxes.create({ username: `ada${inboxCount}` })
  return { world, inbox: inbox.inboxId, messages: world.agentmail.inboxes.messages }
}

/** Returns the subjects in the order of the list. */
async function subjectsIn(world: World, inbox: string, query: string): Promise<string[]> {
  const { status, body } = await world.request('GET', `/v0/inboxes/${inbox}/messages${query}`)
  expect(status, JSON.stringify(body)).toBe(200)
  return body.messages.map((message: { subject: string }) => message.subject)
}

test('a received message is listed without its bodies, and a single get returns them', async () => {
  const { world, inbox, messages } = await withInbox(await sharedWorld())
  await world.smtp.send({
    from: 'Ann Example <ann@example.test>',
    to: inbox,
    cc: 'bo@example.test',
    replyTo: 'desk@example.test',
    subject: 'grüße',
    text: 'Hello Ada\n\nOn Mon, Jan 5, 2026 at 9:00 AM Ada <ada@mail.localhost> wrote:\n> old',
    html: '<p>Hello Ada</p>',
    messageId: '<one@example.test>',
    inReplyTo: '<zero@example.test>',
    references: ['<first@example.test>', '<zero@example.test>'],
    headers: { 'X-Ticket': '7' },
    attachments: [{ filename: 'plan.txt', content: 'plan' }],
  })
  const { messages: items } = await messages.list(inbox)
  expect(items).toHaveLength(1)
  expect(items[0]).toMatchObject({ messageId: '<one@example.test>', subject: 'grüße', labels: ['received', 'unread'] })
  for (const body of ['text', 'html', 'extractedText', 'headers', 'codes', 'links'])
    expect(items[0]).not.toHaveProperty(body)

  const message = await messages.get(inbox, '<one@example.test>')
  expect(message).toMatchObject({
    inboxId: inbox,
    from: 'Ann Example <ann@example.test>',
    to: [inbox],
    cc: ['bo@example.test'],
    replyTo: ['desk@example.test'],
    extractedText: 'Hello Ada',
    inReplyTo: '<zero@example.test>',
    references: ['<first@example.test>', '<zero@example.test>'],
    attachments: [{ filename: 'plan.txt', size: 4, contentDisposition: 'attachment' }],
    headers: { 'X-Ticket': '7' },
    timestamp: expect.any(Date),
  })
  expect(message.text).toContain('> old')
  expect(message.html).toContain('Hello Ada')
  expect(await messages.get(inbox, 'one@example.test')).toEqual(message)
})

test('a message id may contain any character that is special in a URL', async () => {
  const { world, inbox, messages } = await withInbox(await sharedWorld())
  for (const id of ['<a/b+c=d@example.test>', '<x?y#z@example.test>', '<50%25@example.test>', '<ü@example.test>']) {
    await world.smtp.send({ to: inbox, subject: id, text: id, messageId: id })
    const found = (await messages.list(inbox)).messages.find((message) => message.subject === id)!
    expect((await messages.get(inbox, found.messageId)).subject).toBe(id)
    expect((await messages.getRaw(inbox, found.messageId)).messageId).toBe(found.messageId)
  }
  // Python clients escape the brackets and nothing else.
  const python = await world.request('GET', `/v0/inboxes/${inbox}/messages/%3Ca/b+c=d@example.test%3E`)
  expect(python).toMatchObject({ status: 200, body: { message_id: '<a/b+c=d@example.test>' } })
})

test('a list is filtered by labels, times and substrings, in the encodings of Node, Python and Go', async () => {
  let now = Date.UTC(2026, 0, 1, 12)
  await using world = await startWorld({ clock: () => now })
  const { inbox, messages } = await withInbox(world)
  const subjects = (query: string) => subjectsIn(world, inbox, query)
  for (const subject of ['one', 'two', 'three']) {
    await world.smtp.send({
      from: `${subject}@example.test`,
      to: inbox,
      subject,
      text: subject,
      messageId: `<${subject}@x.test>`,
    })
    now += 60_000
  }
  await messages.update(inbox, '<one@x.test>', { addLabels: ['vip', 'x,y'], removeLabels: ['unread'] })
  await messages.update(inbox, '<two@x.test>', { addLabels: 'vip' })
  await messages.update(inbox, '<three@x.test>', { addLabels: ['trash'] })

  expect(await subjects('')).toEqual(['two', 'one'])
  expect(await subjects('?ascending=true')).toEqual(['one', 'two'])
  expect(await subjects('?include_trash=true')).toEqual(['three', 'two', 'one'])
  expect(await subjects('?include_trash=true&labels=trash')).toEqual(['three'])
  expect(await subjects('?limit=1')).toEqual(['two'])

  const viaNode = await messages.list(inbox, { labels: ['vip', 'x,y'] })
  expect(viaNode.messages.map(({ subject }) => subject)).toEqual(['one'])
  for (const labels of [
    'labels=%5B%22vip%22%2C%22unread%22%5D', // Node
    'labels=%5B%22vip%22%2C+%22unread%22%5D', // Python
    'labels=vip,unread', // Go CLI
    'labels=vip&labels=unread',
    'labels[]=vip&labels[]=unread',
    'labels[0]=vip&labels[1]=unread',
  ]) {
    expect(await subjects(`?${labels}`), labels).toEqual(['two'])
  }
  expect(await subjects('?labels=[]')).toEqual(['two', 'one'])
  expect(await subjects('?from=two%40')).toEqual(['two'])
  expect(await subjects('?to=ada&subject=ON')).toEqual(['one'])
  expect(await subjects('?subject=["o","w"]')).toEqual(['two'])

  const inOrder = await messages.list(inbox, { after: new Date(Date.UTC(2026, 0, 1, 12, 0, 30)) })
  expect(inOrder.messages.map(({ subject }) => subject)).toEqual(['two'])
  expect(await subjects('?before=2026-01-01T12:00:30Z')).toEqual(['one'])
  expect(await subjects('?before=2026-01-01T17:00:30.000001%2B05:00')).toEqual(['one'])

  for (const tooMuch of ['subject=o&limit=101', `labels=${'a,'.repeat(100)}a`]) {
    expect(await world.request('GET', `/v0/inboxes/${inbox}/messages?${tooMuch}`)).toMatchObject({
      status: 400,
      body: { code: 'validation_error' },
    })
  }
})

// 300 messages with subjects of control characters ended a server with a heap of 512 MB.
test('a page of messages or threads has a limit on its size, and the next page continues', async () => {
  await using world = await startWorld({ limits: { lists: { pageBytesMax: 20_000 } } })
  const { inbox } = await withInbox(world)
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    await world.smtp.send({ to: inbox, messageId: `<${name}@x.test>`, subject: name + '\x01'.repeat(900), text: name })
  }
  for (const list of ['messages', 'threads'] as const) {
    const sizes: number[] = []
    const names: string[] = []
    let token = ''
    do {
      const query = `limit=50${token && `&page_token=${token}`}`
      const { body } = await world.request('GET', `/v0/inboxes/${inbox}/${list}?${query}`)
      sizes.push(body[list].length)
      names.push(...body[list].map((item: { subject: string }) => item.subject[0]))
      token = body.next_page_token ?? ''
    } while (token !== '')
    expect([sizes, names.join('')], list).toEqual([[3, 2], 'edcba'])
  }
})

test('labels are changed with a string or a list and stored in lower case, but system labels are fixed', async () => {
  const { world, inbox, messages } = await withInbox(await sharedWorld())
  await world.smtp.send({ to: inbox, text: 'x', messageId: '<1@x.test>' })
  const changed = await messages.update(inbox, '<1@x.test>', {
    addLabels: ['Needs-Review', 'b'],
    removeLabels: 'unread',
  })
  expect(changed).toEqual({ messageId: '<1@x.test>', labels: ['b', 'needs-review', 'received'] })
  expect((await messages.update(inbox, '<1@x.test>', { addLabels: 'c', removeLabels: ['c', 'b'] })).labels).toEqual([
    'needs-review',
    'received',
  ])
  for (const change of [
    { addLabels: ['sent'] },
    { removeLabels: ['received'] },
    { addLabels: ['blocked'] },
    {},
    { addLabels: [''] },
  ]) {
    const refused = messages.update(inbox, '<1@x.test>', change)
    await expect(refused, JSON.stringify(change)).rejects.toMatchObject({
      statusCode: 400,
      body: { code: 'validation_error' },
    })
  }
  const missing = messages.update(inbox, '<2@x.test>', { addLabels: 'c' })
  await expect(missing).rejects.toMatchObject({ statusCode: 404, body: { code: 'not_found' } })
})

test('a label with a character that the databases do not store in the same way is refused', async () => {
  const { world, inbox } = await withInbox(await sharedWorld())
  await world.smtp.send({ to: inbox, text: 'x', messageId: '<1@x.test>' })
  const path = `/v0/inboxes/${inbox}/messages/%3C1%40x.test%3E`
  for (const body of [{ add_labels: ['\0'] }, { add_labels: ['fine', 'a\0b'] }, { remove_labels: ['a\0b'] }]) {
    const answer = await world.request('PATCH', path, { body })
    expect(answer, JSON.stringify(body)).toMatchObject({ status: 400, body: { code: 'validation_error' } })
  }
  expect((await world.request('GET', path)).body.labels).toEqual(['received', 'unread'])
})

test('raw messages and attachments are returned as links to their bytes', async () => {
  const { world, inbox, messages } = await withInbox(await sharedWorld())
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))
  await world.smtp.send({
    to: inbox,
    text: 'x',
    messageId: '<1@x.test>',
    attachments: [{ filename: 'grüße "1".bin', content, contentType: 'application/x-thing' }],
  })
  const message = await messages.get(inbox, '<1@x.test>')
  const attachment = await messages.getAttachment(inbox, '<1@x.test>', message.attachments![0]!.attachmentId)
  expect(attachment).toMatchObject({
    filename: 'grüße "1".bin',
    size: content.length,
    contentType: 'application/x-thing',
  })
  expect(attachment.expiresAt.getTime()).toBeGreaterThan(Date.now())

  const bytes = await fetch(attachment.downloadUrl) // without a key
  expect(bytes.status).toBe(200)
  expect(Object.fromEntries(bytes.headers)).toMatchObject({
    'content-type': 'application/x-thing',
    'content-length': String(content.length),
    'content-disposition': `attachment; filename="gr__e _1_.bin"; filename*=UTF-8''gr%C3%BC%C3%9Fe%20%221%22.bin`,
    'x-content-type-options': 'nosniff',
  })
  expect(sha256(Buffer.from(await bytes.arrayBuffer()))).toBe(sha256(content))

  const raw = await messages.getRaw(inbox, '<1@x.test>')
  const mail = await (await fetch(raw.downloadUrl)).text()
  expect(Buffer.byteLength(mail)).toBe(raw.size)
  expect(mail).toMatch(/^Message-ID: <1@x\.test>\r$/im)

  const other = await world.request('GET', `/v0/inboxes/${inbox}/messages/%3C1@x.test%3E/attachments/nothing`)
  expect(other.status).toBe(404)
})

test('a deleted message cannot be restored, and its download links stop working', async () => {
  const { world, inbox, messages } = await withInbox(await sharedWorld())
  await world.smtp.send({ to: inbox, text: 'x', messageId: '<1@x.test>' })
  const { downloadUrl } = await messages.getRaw(inbox, '<1@x.test>')
  await messages.delete(inbox, '<1@x.test>')
  await expect(messages.get(inbox, '<1@x.test>')).rejects.toMatchObject({ statusCode: 404 })
  await expect(messages.delete(inbox, '<1@x.test>')).rejects.toMatchObject({ statusCode: 404 })
  expect((await messages.list(inbox)).count).toBe(0)
  expect((await fetch(downloadUrl)).status).toBe(404)
})

test('a message of another inbox is not found', async () => {
  const { world, inbox, messages } = await withInbox(await sharedWorld())
  const { inboxId: bob } = await world.agentmail.inboxes.create({ username: 'bob' })
  await world.smtp.send({ to: inbox, text: 'x', messageId: '<1@x.test>' })
  await expect(messages.get(bob, '<1@x.test>')).rejects.toMatchObject({ statusCode: 404 })
  await expect(messages.list('nobody@mail.localhost')).rejects.toMatchObject({ statusCode: 404 })
  for (const ref of ['%00', '%20', '%3C%3E', "'%20OR%201=1", '%F0%9F%A6%89']) {
    const answer = await world.request('GET', `/v0/inboxes/${inbox}/messages/${ref}`)
    expect(answer, ref).toMatchObject({ status: 404, body: { code: 'not_found' } })
  }
})

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
