/**
 * Tests that senders and clients get a correct answer, or none, when the connection to the database breaks during a
 * COMMIT.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { LimitOverrides } from '../../src/config/limits.ts'
import { type Cut, PostgresProxy } from '../support/postgres-proxy.ts'
import { createTestDatabase, notSupported } from '../support/test-database.ts'
import { startWorld } from '../support/world.ts'

const onWire = notSupported('sqlite', 'there is no connection to the database')

for (const [cut, code] of [
  ['after', 250],
  ['before', 451],
  ['silently', 451],
] as const satisfies readonly (readonly [Cut, number])[]) {
  onWire(
    `a message whose COMMIT is cut off (${cut}) is answered ${code}, and is stored once when it is repeated`,
    async () => {
      const { world, proxy } = await startBehindProxy({ store: { diskCheckMs: 20 } })
      const ada = await world.agentmail.inboxes.create({ username: 'ada' })
      const mail = { to: ada.email, subject: 'hello', text: 'x', messageId: '<one@example.test>', date: new Date(0) }

      const send = () =>
        world.smtp.send(mail).then(
          () => 250,
          (error: { responseCode?: number }) => error.responseCode,
        )

      void proxy.cutNextCommit(cut, { text: 'one@example.test' })
      expect(await send()).toBe(code)
      await expect.poll(send).toBe(250) // refused at MAIL until a check of the database has succeeded
      expect((await world.agentmail.inboxes.messages.list(ada.inboxId)).count).toBe(1)
    },
  )
}

onWire(
  'a server that stops before it knows the outcome of a commit answers no sender, and the message is stored once',
  async () => {
    const { world, proxy } = await startBehindProxy({ server: { shutdownGraceMs: 500 }, store: { retryMsMax: 50 } })
    const ada = await world.agentmail.inboxes.create({ username: 'ada' })
    const text = 'a line of a message that is large enough for a blob\n'.repeat(10_000)
    const mail = { to: ada.email, subject: 'hello', text, messageId: '<one@example.test>', date: new Date(0) }

    const cut = proxy.cutNextCommit('after', { thenDown: true, text: 'one@example.test' })
    const answer = world.smtp.send(mail).then(
      () => 'answered',
      (error: { responseCode?: number }) => error.responseCode ?? 'dropped',
    )
    await cut
    await world.stop()
    expect(await answer).toBe('dropped')

    proxy.up()
    await world.restart()
    await world.smtp.send(mail)
    const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId)
    expect(messages).toHaveLength(1)
    const raw = await world.agentmail.inboxes.messages.getRaw(ada.inboxId, messages[0]!.messageId)
    expect((await (await fetch(raw.downloadUrl)).arrayBuffer()).byteLength).toBe(raw.size)
  },
)

onWire('a server that stops before it knows the outcome of a commit answers no HTTP client', async () => {
  const { world, proxy } = await startBehindProxy({ server: { shutdownGraceMs: 500 }, store: { retryMsMax: 50 } })
  await world.agentmail.inboxes.create({ username: 'bob' }) // waits until the writes of the start are committed
  const cut = proxy.cutNextCommit('after', { thenDown: true, text: 'ada@mail.localhost' })
  const answer = world.request('POST', '/v0/inboxes', { body: { username: 'ada' } }).then(
    ({ status }) => status,
    () => 'dropped',
  )
  await cut
  await world.stop()
  expect(await answer).toBe('dropped')
})

async function startBehindProxy(limits: LimitOverrides = {}) {
  const database = await createTestDatabase('started')
  const proxy = await PostgresProxy.open(database.url!)
  const blobsDir = await mkdtemp(join(tmpdir(), 'martlet-test-blobs-'))
  const world = await startWorld({ limits, shared: { databaseUrl: proxy.url, blobsDir } })
  onTestFinished(async () => {
    await world[Symbol.asyncDispose]()
    await proxy[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await rm(blobsDir, { recursive: true, force: true })
  })
  return { world, proxy }
}
