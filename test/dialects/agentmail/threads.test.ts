/** Tests threads on the paths of an inbox, a pod and the organization. */
import { expect, onTestFinished, test } from 'vitest'
import { sharedByFile } from '../../support/shared-by-file.ts'
import { startWorld } from '../../support/world.ts'

const sharedWorld = sharedByFile(() => startWorld())
let inboxCount = 0

/** Receives two threads in a new inbox, which is deleted after the test: the organization has no others. */
async function receiveThreads() {
  const world = await sharedWorld()
  inboxCount += 1
  const pod = await world.agentmail.pods.create({ name: 'red' })
  const { inboxId } = await world.agentmail.pods.inboxes.create(pod.podId, { username: `ada${inboxCount}` })
  onTestFinished(() => world.agentmail.inboxes.delete(inboxId))
  await world.smtp.send({
    from: 'Ann <ann@example.test>',
    to: inboxId,
    subject: 'Plans',
    text: 'one',
    messageId: '<1@x.test>',
    attachments: [{ filename: 'plan.txt', content: 'plan' }],
  })
  await world.smtp.send({
    from: 'bo@example.test',
    to: inboxId,
    subject: 'Re: Plans',
    text: 'two',
    messageId: '<2@x.test>',
    inReplyTo: '<1@x.test>',
  })
  await world.smtp.send({
    from: 'cy@example.test',
    to: inboxId,
    subject: 'Other',
    text: 'three',
    messageId: '<3@x.test>',
  })
  return { world, podId: pod.podId, inboxId }
}

test('a thread is the same on the path of its inbox, its pod and its organization, with the oldest message first', async () => {
  const { world, podId, inboxId } = await receiveThreads()
  const { threads, pods, inboxes } = world.agentmail
  const lists = [await threads.list(), await pods.threads.list(podId), await inboxes.threads.list(inboxId)]
  for (const list of lists) expect(list.threads.map((thread) => thread.subject)).toEqual(['Other', 'Plans'])
  const item = lists[0]!.threads[1]!
  expect(item).toMatchObject({
    inboxId,
    messageCount: 2,
    lastMessageId: '<2@x.test>',
    senders: expect.arrayContaining(['Ann <ann@example.test>', 'bo@example.test']),
    recipients: [inboxId],
    labels: ['received', 'unread'],
    attachments: [{ filename: 'plan.txt' }],
    timestamp: expect.any(Date),
    receivedTimestamp: expect.any(Date),
    // For older clients; the current one does not rename them.
    participants: ['Ann <ann@example.test>', 'bo@example.test', inboxId],
    last_message_at: item.timestamp.toISOString(),
  })

  const { threadId } = item
  const got = [
    await threads.get(threadId),
    await pods.threads.get(podId, threadId),
    await inboxes.threads.get(inboxId, threadId),
  ]
  for (const thread of got) {
    expect(thread.messages.map((message) => message.text)).toEqual(['one', 'two'])
    expect(thread).toMatchObject({ threadId, messageCount: 2 })
  }
})

test('the first page of a thread has its newest messages', async () => {
  const { world } = await receiveThreads()
  const threadId = (await world.agentmail.threads.list()).threads[1]!.threadId
  const newest = await world.agentmail.threads.get(threadId, { limit: 1 })
  expect(newest).toMatchObject({ count: 1, limit: 1, messages: [{ text: 'two' }] })
  const older = await world.agentmail.threads.get(threadId, { limit: 1, pageToken: newest.nextPageToken! })
  expect(older).toMatchObject({ count: 1, messages: [{ text: 'one' }] })
  expect(older.nextPageToken).toBeUndefined()
})

test('threads are filtered like messages', async () => {
  const { world, inboxId } = await receiveThreads()
  const { threads } = world.agentmail
  const subjects = async (filter: Parameters<typeof threads.list>[0]) =>
    (await threads.list(filter)).threads.map((thread) => thread.subject)
  expect(await subjects({ senders: ['ann@', 'bo@'] })).toEqual(['Plans'])
  expect(await subjects({ recipients: [inboxId], subject: ['oth'] })).toEqual(['Other'])
  expect(await subjects({ ascending: true })).toEqual(['Plans', 'Other'])
  await threads.update((await threads.list()).threads[0]!.threadId, { addLabels: ['trash'] })
  expect(await subjects({})).toEqual(['Plans'])
  expect(await subjects({ includeTrash: true, labels: ['trash'] })).toEqual(['Other'])

  // The lower case of Σ is ς at the end of a word. As in searches, both are one letter.
  const streets = ['η οδός', 'η οδόσα']
  for (const subject of streets) {
    await world.smtp.send({ from: `${subject} <dy@example.test>`, to: inboxId, subject, text: 'four' })
  }
  for (const text of ['οδός', 'ΔΌΣ', 'δόσ']) {
    expect((await subjects({ subject: [text] })).toSorted(), text).toEqual(streets)
    expect((await subjects({ senders: [text] })).toSorted(), text).toEqual(streets)
  }
})

test('the labels of a thread are set on all its messages', async () => {
  const { world, podId, inboxId } = await receiveThreads()
  const { threads, pods, inboxes } = world.agentmail
  const { threadId } = (await threads.list()).threads[1]!
  expect(await threads.update(threadId, { addLabels: ['VIP'], removeLabels: ['unread'] })).toEqual({
    threadId,
    labels: ['received', 'vip'],
  })
  expect((await pods.threads.update(podId, threadId, { addLabels: ['b'] })).labels).toEqual(['b', 'received', 'vip'])
  expect((await inboxes.threads.update(inboxId, threadId, { removeLabels: ['b'] })).labels).toEqual(['received', 'vip'])
  for (const id of ['<1@x.test>', '<2@x.test>']) {
    expect((await inboxes.messages.get(inboxId, id)).labels).toEqual(['received', 'vip'])
  }
  const system = threads.update(threadId, { addLabels: ['sent'] })
  await expect(system).rejects.toMatchObject({ statusCode: 400, body: { code: 'validation_error' } })
})

test('the labels of a thread are those of its visible messages, and removal wins', async () => {
  const { world, inboxId } = await receiveThreads()
  const { threads, messages } = world.agentmail.inboxes
  const [, { threadId }] = (await threads.list(inboxId)).threads as [unknown, { threadId: string }]
  await messages.update(inboxId, '<1@x.test>', { addLabels: ['first'] })
  await messages.update(inboxId, '<2@x.test>', { addLabels: ['second', 'trash'] })
  expect((await threads.get(inboxId, threadId)).labels).toEqual(['first', 'received', 'second', 'trash', 'unread'])
  const [, shown] = (await threads.list(inboxId)).threads
  expect(shown!.labels).toEqual(['first', 'received', 'unread'])
  const changed = await threads.update(inboxId, threadId, { addLabels: ['a', 'b'], removeLabels: ['b', 'second'] })
  expect(changed.labels).toEqual(['a', 'first', 'received', 'trash', 'unread'])
})

test('a thread with too many messages cannot be relabelled in one request', async () => {
  await using world = await startWorld({ limits: { messages: { threadLabelMessagesMax: 2 } } })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ to: inboxId, text: 'x', messageId: '<1@x.test>' })
  await world.smtp.send({ to: inboxId, text: 'y', messageId: '<2@x.test>', inReplyTo: '<1@x.test>' })
  const { threadId } = (await world.agentmail.threads.list()).threads[0]!
  const refused = world.agentmail.threads.update(threadId, { addLabels: ['a'] })
  await expect(refused).rejects.toMatchObject({
    statusCode: 422,
    body: { name: 'UnprocessableError', code: 'unprocessable' },
  })
})

test('an attachment is found through its thread', async () => {
  const { world, podId, inboxId } = await receiveThreads()
  const { threads, pods, inboxes } = world.agentmail
  const { threadId, attachments } = (await threads.list()).threads[1]!
  const { attachmentId } = attachments![0]!
  for (const link of [
    await threads.getAttachment(threadId, attachmentId),
    await pods.threads.getAttachment(podId, threadId, attachmentId),
    await inboxes.threads.getAttachment(inboxId, threadId, attachmentId),
  ]) {
    expect(await (await fetch(link.downloadUrl)).text()).toBe('plan')
  }
})

test('deleting a thread deletes its messages, with or without the "permanent" of older clients', async () => {
  const { world, podId, inboxId } = await receiveThreads()
  const { threads, pods, inboxes } = world.agentmail
  const [other, plans] = (await threads.list()).threads
  expect(await world.request('DELETE', `/v0/threads/${plans!.threadId}?permanent=true`)).toMatchObject({
    status: 204,
    body: '',
  })
  await expect(threads.get(plans!.threadId)).rejects.toMatchObject({ statusCode: 404 })
  await expect(inboxes.messages.get(inboxId, '<1@x.test>')).rejects.toMatchObject({ statusCode: 404 })
  await pods.threads.delete(podId, other!.threadId)
  expect((await inboxes.messages.list(inboxId)).count).toBe(0)
})

test('a thread outside the scope is not found', async () => {
  const { world } = await receiveThreads()
  const { threadId } = (await world.agentmail.threads.list()).threads[0]!
  const { inboxId: bob } = await world.agentmail.inboxes.create({ username: 'bob' })
  await expect(world.agentmail.inboxes.threads.get(bob, threadId)).rejects.toMatchObject({ statusCode: 404 })
  const { podId: blue } = await world.agentmail.pods.create({ name: 'blue' })
  await expect(world.agentmail.pods.threads.get(blue, threadId)).rejects.toMatchObject({ statusCode: 404 })
  const key = (await world.agentmail.pods.apiKeys.create(blue, {})).apiKey
  for (const path of [`/v0/threads/${threadId}`, '/v0/threads/%00', '/v0/threads/no-such-thread']) {
    expect(await world.request('GET', path, { key }), path).toMatchObject({ status: 404, body: { code: 'not_found' } })
  }
  expect((await world.agentmailAs(key).threads.list()).count).toBe(0)
})

// Three messages from a stranger in one thread used to end the process whenever the thread was read.
test('a thread of large messages is returned page by page', async () => {
  await using world = await startWorld({ limits: { lists: { threadPageBytesMax: 10_000 } } })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe()
  for (const name of ['a', 'b', 'c', 'd']) {
    const references = name === 'a' ? undefined : '<a@x.test>'
    await world.smtp.send({ to: ada.email, messageId: `<${name}@x.test>`, references, text: name.repeat(2_000) })
  }
  const [{ message }] = [await socket.next('message.received')]
  const pages: string[][] = []
  let pageToken: string | undefined
  do {
    const page = await world.agentmail.threads.get(message.thread_id, pageToken ? { pageToken } : {})
    pages.push(page.messages.map(({ messageId }) => messageId))
    pageToken = page.nextPageToken
  } while (pageToken)
  expect(pages).toEqual([
    ['<c@x.test>', '<d@x.test>'],
    ['<a@x.test>', '<b@x.test>'],
  ])
})
