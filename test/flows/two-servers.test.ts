/**
 * Tests two nodes of one service, with one database and one folder of large messages: both get the same request at
 * once. The result must be the same as with one node.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { startDns } from '../support/dns-server.ts'
import { sharedByFile } from '../support/shared-by-file.ts'
import { createTestDatabase, notSupported, readRows } from '../support/test-database.ts'
import { startNodes, startWorld, type World } from '../support/world.ts'

const sharedNodes = sharedByFile(() => startNodes())
const onTwo = notSupported('sqlite', 'one process uses a data folder')

onTwo('a message sent to both nodes at once is stored once, with its bytes', async () => {
  const servers = await sharedNodes()
  const ada = await servers.one.agentmail.inboxes.create()
  const large = 'x'.repeat(70) // lines that make the message large enough for a blob
  for (const text of ['short', `${large}\n`.repeat(5_000)]) {
    const mail = {
      to: ada.email,
      subject: 'twice',
      text,
      messageId: `<${randomUUID()}@example.test>`,
      date: new Date(0),
    }
    await Promise.all([...servers.both, ...servers.both].map((server) => server.smtp.send(mail)))
  }

  const { messages } = await servers.two.agentmail.inboxes.messages.list(ada.inboxId)
  expect(messages).toHaveLength(2)
  for (const server of servers.both) {
    for (const message of messages) {
      const raw = await server.agentmail.inboxes.messages.getRaw(ada.inboxId, message.messageId)
      const bytes = await (await fetch(raw.downloadUrl.replace(/^http:..[^/]+/, server.url))).arrayBuffer()
      expect(bytes.byteLength).toBe(raw.size)
    }
  }
})

onTwo('replies that arrive at both nodes at once are in one thread, which counts them all', async () => {
  const servers = await sharedNodes()
  const ada = await servers.one.agentmail.inboxes.create()
  const root = `<${randomUUID()}@example.test>`
  const replies = 24
  await Promise.all(
    Array.from({ length: replies }, (_, index) =>
      servers.both[index % 2]!.smtp.send({
        ...{ to: ada.email, from: `friend${index % 5}@example.test`, subject: 'Re: plans', text: `answer ${index}` },
        ...{ inReplyTo: root, references: root },
      }),
    ),
  )

  const { threads } = await servers.one.agentmail.inboxes.threads.list(ada.inboxId)
  expect(threads).toMatchObject([{ messageCount: replies }])
  const whole = await servers.two.agentmail.inboxes.threads.get(ada.inboxId, threads[0]!.threadId)
  expect(whole.messages).toHaveLength(replies)
  expect(whole.senders).toHaveLength(5)
})

onTwo('labels that both nodes change at once are all stored and counted, with one event each', async () => {
  const servers = await sharedNodes()
  const ada = await servers.one.agentmail.inboxes.create()
  const socket = await servers.two.subscribe({
    eventTypes: ['label.added', 'label.removed'],
    inboxIds: [ada.inboxId],
  })
  await servers.one.smtp.send({ to: ada.email, subject: 'one', text: 'x' })
  const [message] = (await servers.one.agentmail.inboxes.messages.list(ada.inboxId)).messages
  const path = `/v0/inboxes/${ada.inboxId}/messages/${encodeURIComponent(message!.messageId)}`
  const labels = Array.from({ length: 10 }, (_, index) => `label-${index}`)

  const answers = await Promise.all(
    labels.map((label, index) =>
      servers.both[index % 2]!.request('PATCH', path, { body: { add_labels: [label], remove_labels: ['unread'] } }),
    ),
  )

  expect(answers.map(({ status }) => status)).toEqual(labels.map(() => 200))
  const { body } = await servers.two.request('GET', path)
  expect(body.labels).toEqual([...labels, 'received'])
  const thread = await servers.one.request('GET', `/v0/threads/${message!.threadId}`)
  expect(thread.body.labels).toEqual([...labels, 'received'])
  const received: string[] = []
  while (received.length < labels.length + 1) {
    const event = await socket.next()
    received.push(`${event.event_type} ${event.label.label}`)
  }
  expect(new Set(received).size).toBe(labels.length + 1)
})

onTwo(
  'a message that one node moves to trash while the other holds or releases it is hidden, and no longer counted',
  async () => {
    await using dns = await startDns({ 'a.test': { A: ['127.0.0.1'] } })
    const env = { MARTLET_OUTBOUND: 'direct', MARTLET_OUTBOUND_PORT: '1', MARTLET_DNS_SERVERS: dns.address }
    await using servers = await startNodes(
      { delivery: { retryFirstMs: 600_000 }, server: { shutdownGraceMs: 50 } },
      env,
    )
    const { one, two } = servers
    const { inboxId } = await one.agentmail.inboxes.create({ username: 'ada' })
    const socket = await one.subscribe({ eventTypes: ['message.delayed'] })
    const count = 16
    const messages = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        one.agentmail.inboxes.messages.send(inboxId, { to: ['zoe@a.test'], subject: `${index}`, text: 'x' }),
      ),
    )
    for (const _ of messages) await socket.next()

    for (const [index, { messageId }] of messages.entries()) {
      const queue = (server: World, action: string) =>
        server.request('POST', `/v0/queue/${action}`, { body: { inbox_id: inboxId, message_id: messageId } })
      if (index % 2 === 1) await queue(one, 'hold')
      const path = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(messageId)}`
      const [changed, trashed] = await Promise.all([
        queue(one, index % 2 === 1 ? 'release' : 'hold'),
        two.request('PATCH', path, { body: { add_labels: ['trash'] } }),
      ])
      expect([changed.body, trashed.status]).toEqual([{ changed: 1 }, 200])
    }

    const { body } = await one.request('POST', '/v0/api-keys', {
      body: { permissions: { inbox_read: true, message_read: true } },
    })
    const listed = async (what: string, key: string) =>
      (await two.request('GET', `/v0/inboxes/${inboxId}/${what}?limit=100&include_trash=true`, { key })).body
    expect(await listed('messages', one.rootKey)).toMatchObject({ count })
    expect(await listed('messages', body.api_key)).toMatchObject({ count: 0, messages: [] })
    expect(await listed('threads', body.api_key)).toMatchObject({ count: 0, threads: [] })
    expect(
      await readRows(
        one,
        `select count(*) from threads where visible_count <>
         (select count(*) from messages where thread_id = threads.id and hidden = 0)`,
      ),
    ).toEqual([[0]])
  },
)

onTwo('a webhook that one node deletes while the other changes it is deleted', async () => {
  const servers = await sharedNodes()
  for (let round = 0; round < 20; round += 1) {
    const path = await addWebhook(servers.one)
    const [deleted, changed] = await Promise.all([
      servers.one.request('DELETE', path),
      servers.two.request('PATCH', path, { body: { url: 'http://127.0.0.1:9/new' } }),
    ])
    expect(deleted.status).toBe(204)
    expect([200, 404]).toContain(changed.status)
    for (const server of servers.both) expect((await server.request('GET', path)).status).toBe(404)
  }
})

onTwo('a webhook that one node disables while the other changes its URL gets both changes', async () => {
  const servers = await sharedNodes()
  const change = { enabled: false, url: 'http://127.0.0.1:9/new' }
  for (let round = 0; round < 20; round += 1) {
    const path = await addWebhook(servers.one)
    const answers = await Promise.all([
      servers.one.request('PATCH', path, { body: { enabled: change.enabled } }),
      servers.two.request('PATCH', path, { body: { url: change.url } }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect((await servers.two.request('GET', path)).body).toMatchObject(change)
  }
})

onTwo('the same Idempotency-Key at both nodes sends once', async () => {
  const servers = await sharedNodes()
  const ada = await servers.one.agentmail.inboxes.create()
  const key = randomUUID()
  const send = (server: World) =>
    server.request('POST', `/v0/inboxes/${ada.inboxId}/messages/send`, {
      body: { to: 'zoe@example.test', subject: 'once', text: 'x' },
      headers: { 'idempotency-key': key },
    })

  const answers = await Promise.all([...servers.both, ...servers.both].map(send))
  const again = await send(servers.two)

  const sent = answers.filter(({ status }) => status === 200)
  // A request that arrives while the first one is running gets a conflict, as with one node.
  expect(answers.filter(({ status }) => status === 409).length).toBe(answers.length - sent.length)
  expect(new Set([...sent, again].map(({ body }) => body.message_id)).size).toBe(1)
  expect((await servers.one.agentmail.inboxes.messages.list(ada.inboxId)).count).toBe(1)
})

onTwo('the same client_id at both nodes creates one inbox and one pod', async () => {
  const servers = await sharedNodes()
  const both = [...servers.both, ...servers.both, ...servers.both]
  const inboxes = await Promise.all(both.map(({ agentmail }) => agentmail.inboxes.create({ clientId: 'mine' })))
  expect(new Set(inboxes.map(({ inboxId }) => inboxId)).size).toBe(1)
  const pods = await Promise.all(both.map(({ agentmail }) => agentmail.pods.create({ clientId: 'mine' })))
  expect(new Set(pods.map(({ podId }) => podId)).size).toBe(1)
})

onTwo('the same username at both nodes is given to one request, and the other is refused', async () => {
  const servers = await sharedNodes()
  const answers = await Promise.all(
    servers.both.map((server) => server.request('POST', '/v0/inboxes', { body: { username: 'ada' } })),
  )
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 403])
})

onTwo(
  'a message that arrives while the other node deletes its inbox is stored or refused, and nothing of it remains',
  async () => {
    await using servers = await startNodes({ jobs: { removalMessages: 3, removalPauseMs: 1 } })
    const ada = await servers.one.agentmail.inboxes.create({ username: 'ada' })
    const messages = Array.from({ length: 12 }, (_, index) =>
      servers.both[index % 2]!.smtp.send({ to: ada.email, subject: `${index}`, text: 'x' }).then(
        () => 250,
        (error: { responseCode: number }) => error.responseCode,
      ),
    )
    await Promise.all([...messages, servers.two.agentmail.inboxes.delete(ada.inboxId)])
    for (const code of await Promise.all(messages)) expect([250, 550]).toContain(code)
    const again = () => servers.one.request('POST', '/v0/inboxes', { body: { username: 'ada' } })
    await expect.poll(async () => (await again()).status).toBe(200) // nothing of it remains
  },
)

onTwo('a key that one node revokes is refused by the other at once', async () => {
  const servers = await sharedNodes()
  const { body } = await servers.one.request('POST', '/v0/api-keys', { body: { name: 'short' } })
  const socket = await servers.two.subscribe({ key: body.api_key })
  await servers.one.agentmail.apiKeys.delete(body.api_key_id)
  expect((await servers.two.request('GET', '/v0/inboxes', { key: body.api_key })).status).toBe(401)
  expect((await socket.closed).code).toBe(1008)
})

onTwo('a message sent at one node is delivered once, by either node, and its event is sent by both', async () => {
  const servers = await sharedNodes()
  const ada = await servers.one.agentmail.inboxes.create()
  const bob = await servers.two.agentmail.inboxes.create()
  const sockets = await Promise.all(
    servers.both.map((server) => server.subscribe({ eventTypes: ['message.received'], inboxIds: [bob.inboxId] })),
  )
  const count = 10
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      servers.both[index % 2]!.agentmail.inboxes.messages.send(ada.inboxId, {
        to: [bob.email],
        subject: `${index}`,
        text: 'x',
      }),
    ),
  )
  for (const socket of sockets) {
    const subjects = []
    for (let n = 0; n < count; n += 1) subjects.push((await socket.next()).message.subject)
    expect(new Set(subjects).size).toBe(count)
  }
  expect((await servers.one.agentmail.inboxes.messages.list(bob.inboxId)).count).toBe(count)
})

onTwo('two nodes that start on an empty database at once are one service', async () => {
  await using database = await createTestDatabase('migrated')
  const blobsDir = await mkdtemp(join(tmpdir(), 'martlet-test-blobs-'))
  onTestFinished(() => rm(blobsDir, { recursive: true, force: true }))
  const shared = { databaseUrl: database.url, blobsDir }
  const servers = await Promise.all([startWorld({ shared }), startWorld({ shared })])
  const organizations = await Promise.all(servers.map(({ agentmail }) => agentmail.organizations.get()))
  expect(new Set(organizations.map(({ organizationId }) => organizationId)).size).toBe(1)
  const ada = await servers[0]!.agentmail.inboxes.create({ username: 'ada' })
  expect((await servers[1]!.agentmail.inboxes.get(ada.inboxId)).email).toBe(ada.email)
  await servers[1]!.smtp.send({ to: 'postmaster@mail.localhost', subject: 'hello', text: 'x' })
  for (const server of servers) await server[Symbol.asyncDispose]()
})

/** @returns the path of the new webhook */
async function addWebhook(server: World): Promise<string> {
  const { body } = await server.request('POST', '/v0/webhooks', { body: { url: 'http://127.0.0.1:9/' } })
  return `/v0/webhooks/${body.webhook_id}`
}
