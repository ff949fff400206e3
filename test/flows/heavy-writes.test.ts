/**
 * Messages and changes that write many rows, of one organization or peer, beside short writes of others. On SQLite every
 * other write waits for the transaction that is running, so that long ones are divided, and take turns with short ones.
 *
 * The answers are compared in their order, which shows that a short write did not wait for all of the long ones.
 */
import { readdir } from 'node:fs/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { MemberQueue, type Queued } from '../../src/store/commit/member-queue.ts'
import { sharedByFile } from '../support/shared-by-file.ts'
import type { TestSocket } from '../support/socket-client.ts'
import { readRows } from '../support/test-database.ts'
import { startWorld, type World } from '../support/world.ts'

const addresses = (count: number, domain = 'a.test') =>
  Array.from({ length: count }, (_, index) => `zoe${index}@${domain}`)

let inboxCount = 0

async function createInboxes(world: World, count: number): Promise<string[]> {
  const create = () => world.agentmail.inboxes.create({ username: `box${inboxCount++}` })
  return (await Promise.all(Array.from({ length: count }, create))).map(({ email }) => email!)
}

const createElsewhere = async (world: World, podId: string, username = 'zoe') => {
  await world.agentmail.pods.inboxes.create(podId, { username })
}

/**
 * Holds every transaction back until `count` of them wait. Otherwise it is left to the speed of the machine which ones wait for each
 * other.
 *
 * @returns their number, and how many of them are long
 */
function holdTransactions(count: number): { waiting: number; long: number } {
  const held = { waiting: 0, long: 0 }
  const { push } = MemberQueue.prototype
  const length = Object.getOwnPropertyDescriptor(MemberQueue.prototype, 'length')!.get!
  const pushes = vi.spyOn(MemberQueue.prototype, 'push').mockImplementation(function (
    this: MemberQueue<Queued>,
    member,
  ) {
    held.waiting += 1
    if (member.fairnessKey !== undefined) held.long += 1
    push.call(this, member)
  })
  const lengths = vi.spyOn(MemberQueue.prototype, 'length', 'get').mockImplementation(function (
    this: MemberQueue<Queued>,
  ) {
    return held.waiting < count ? 0 : length.call(this)
  })
  onTestFinished(() => {
    pushes.mockRestore()
    lengths.mockRestore()
  })
  return held
}

// It was one transaction: 99 inboxes and 1,000 addresses took 0.9 s on SQLite, in which no other write was answered.
test('a message to many inboxes is stored in parts, between which other writes run', async () => {
  await using world = await startWorld({ limits: { messages: { transactionRowsMax: 300 } } })
  const to = await createInboxes(world, 25)
  const { podId } = await world.agentmail.pods.create({ name: 'other' })
  const socket = await world.subscribe()
  const mail = {
    envelope: { from: 'ann@example.test', to },
    raw: ['Message-ID: <1@a.test>', 'From: a@a.test', `To: ${addresses(250).join(',\r\n ')}`, '', 'hello'].join('\r\n'),
  }
  const answered: string[] = []
  const sending = world.smtp.send(mail).then(() => answered.push('message'))
  await socket.next('message.received')
  await createElsewhere(world, podId)
  answered.push('other pod')
  await sending
  expect(answered).toEqual(['other pod', 'message'])

  await world.smtp.send(mail) // as after a broken connection
  expect(await receivedBy(socket, to.length - 1)).toEqual(to.slice(1))
  const page = await world.request('GET', '/v0/threads?limit=100')
  expect(page.body.threads.map(({ message_count: count }: { message_count: number }) => count)).toEqual(to.map(() => 1))
})

// Each part stored a content of its own with the same files: when the inboxes of one part had deleted the message, the others lost it.
test('the parts of a divided message share one content, whose files stay until the last inbox has deleted it', async () => {
  await using world = await startWorld({ limits: { messages: { transactionRowsMax: 1 } } })
  const [ada, bob] = (await createInboxes(world, 2)) as [string, string]
  const text = 'A line of a long report.\r\n'.repeat(20_000) // more than is stored in a row
  await world.smtp.send({ envelope: { from: '', to: [ada, bob] }, raw: `Message-ID: <1@a.test>\r\n\r\n${text}` })
  expect(await readRows(world, 'select count(*) from contents where blob_key is not null')).toEqual([[1]])

  const path = (inbox: string) => `/v0/inboxes/${inbox}/messages/${encodeURIComponent('<1@a.test>')}`
  const { body } = await world.request('GET', path(ada))
  const files = await readdir(world.shared.blobsDir, { recursive: true })
  const deleteThread = () => world.request('DELETE', `/v0/threads/${body.thread_id}?permanent=true`)
  expect((await deleteThread()).status).toBeLessThan(300)
  expect((await world.request('GET', path(ada))).status).toBe(404)
  expect((await world.request('GET', path(bob))).body.text).toContain('A line of a long report.')
  expect(await readdir(world.shared.blobsDir, { recursive: true })).toEqual(files)
})

test('an inbox that several recipients of a divided message are gets it once', async () => {
  await using world = await startWorld({ limits: { messages: { transactionRowsMax: 1 } } })
  const [ada, bob] = (await createInboxes(world, 2)) as [string, string]
  const socket = await world.subscribe()
  const tagged = (tag: string) => ada.replace('@', `+${tag}@`)
  await world.smtp.send({
    envelope: { from: '', to: [tagged('a'), bob, tagged('b'), ada] },
    raw: 'Subject: x\r\n\r\nx',
  })
  expect((await receivedBy(socket, 2)).toSorted()).toEqual([ada, bob])
  for (const inbox of [ada, bob]) expect((await world.agentmail.inboxes.messages.list(inbox)).count).toBe(1)
})

test('a write of another pod does not wait for all sends with many recipients and attachments', async () => {
  await using world = await startWorld({ limits: { store: { transactionGroupMax: 1 } } })
  const boxes = await createInboxes(world, 16)
  const { podId } = await world.agentmail.pods.create({ name: 'other' })
  const attachments = Array.from({ length: 90 }, () => ({ content: 'YQ==' }))
  // Several short writes: another transaction of the server may be among those that wait.
  const shortCount = 3
  const held = holdTransactions(boxes.length + shortCount)
  let answered = 0
  const sends = boxes.map(async (inbox) => {
    const body = { to: addresses(50, 'elsewhere.test'), text: 'x', attachments }
    const { status } = await world.request('POST', `/v0/inboxes/${inbox}/messages/send`, { body })
    expect(status).toBe(200)
    answered += 1
  })
  await expect.poll(() => held.waiting).toBeGreaterThanOrEqual(boxes.length)
  await Promise.race(Array.from({ length: shortCount }, (_, index) => createElsewhere(world, podId, `zoe${index}`)))
  // It waited for one. Others may be answered before its response arrives.
  expect(answered).toBeLessThanOrEqual(boxes.length / 2)
  await Promise.all(sends)
  expect(held.long).toBe(boxes.length)
})

/** Starts after the test that holds all transactions back. */
const rowByRow = sharedByFile(() => startWorld({ limits: { messages: { transactionRowsMax: 1 } } }))

test('the labels of a long thread change in parts, between which other writes run', async () => {
  const world = await rowByRow()
  const [ada] = (await createInboxes(world, 1)) as [string]
  const { podId } = await world.agentmail.pods.create({ name: 'other' })
  await fillThread(world, ada, 30)
  const { threads } = await world.agentmail.inboxes.threads.list(ada)
  const path = `/v0/threads/${threads[0]!.threadId}`
  const labels = Array.from({ length: 30 }, (_, index) => `label${index}`)
  const socket = await world.subscribe({ eventTypes: ['label.added'] })

  const answered: string[] = []
  const changing = world.request('PATCH', path, { body: { add_labels: labels } }).then(({ status, body }) => {
    answered.push('labels')
    return { status, labels: body.labels }
  })
  await socket.next('label.added')
  await createElsewhere(world, podId)
  answered.push('other pod')
  expect(await changing).toEqual({ status: 200, labels: [...labels, 'received', 'unread'].sort() })
  expect(answered).toEqual(['other pod', 'labels'])
  const { messages } = await world.agentmail.inboxes.messages.list(ada, { labels: [labels[29]!], limit: 100 })
  expect(messages).toHaveLength(30)
})

test('a change that hides a thread from its own key changes every message', async () => {
  const world = await rowByRow()
  const [ada] = (await createInboxes(world, 1)) as [string]
  await fillThread(world, ada, 5)
  const permissions = { message_read: true, message_update: true }
  const key = await world.request('POST', `/v0/inboxes/${ada}/api-keys`, { body: { permissions } })
  const { threads } = await world.agentmail.inboxes.threads.list(ada)
  const { status } = await world.request('PATCH', `/v0/threads/${threads[0]!.threadId}`, {
    ...{ key: key.body.api_key, body: { add_labels: ['trash'] } },
  })
  expect(status).toBe(200)
  const { messages } = await world.agentmail.inboxes.messages.list(ada, { labels: ['trash'], includeTrash: true })
  expect(messages).toHaveLength(5)
})

async function fillThread(world: World, inbox: string, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    await world.smtp.send({
      ...{ to: inbox, messageId: `<${index}@a.test>`, subject: 'x', text: 'x' },
      ...(index > 0 && { references: '<0@a.test>' }),
    })
  }
}

async function receivedBy(socket: TestSocket, count: number): Promise<string[]> {
  const inboxes: string[] = []
  while (inboxes.length < count) inboxes.push((await socket.next('message.received')).message.inbox_id)
  return inboxes
}
