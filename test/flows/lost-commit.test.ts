/**
 * Tests that senders and clients get a correct answer, or none, when the connection to the database breaks during a
 * COMMIT.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, onTestFinished, vi } from 'vitest'
import type { LimitOverrides } from '../../src/config/limits.ts'
import { MemberQueue } from '../../src/store/commit/member-queue.ts'
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

const BATCH = 8

for (const [cut, codes] of [
  ['after', [250]],
  ['before', [451]],
  ['silently', [451]],
  ['at', [250, 451]],
] as const satisfies readonly (readonly [Cut, readonly number[]])[]) {
  onWire(
    `a batch of ${BATCH} messages whose COMMIT is cut off (${cut}) has one outcome, and each is stored and reported once when it is repeated`,
    async () => {
      const { world, proxy } = await startBehindProxy({ store: { diskCheckMs: 20 } })
      // The last two are of one inbox.
      const names = Array.from({ length: BATCH - 1 }, (_, index) => `box${index}`)
      const inboxes = await Promise.all(names.map((username) => world.agentmail.inboxes.create({ username })))
      const mails = Array.from({ length: BATCH }, (_, index) => ({
        to: inboxes[Math.min(index, BATCH - 2)]!.email,
        ...{ subject: `${index}`, text: 'x', messageId: `<${index}@batch.test>`, date: new Date(0) },
      }))
      const send = (mail: (typeof mails)[number]) =>
        world.smtp.send(mail).then(
          () => 250,
          (error: { responseCode?: number }) => error.responseCode!,
        )

      const commits = await holdCommits(world.shared.databaseUrl!, () =>
        world.request('POST', '/v0/inboxes', { body: { username: 'first' } }),
      )
      const waiting = vi.spyOn(MemberQueue.prototype, 'push')
      onTestFinished(() => waiting.mockRestore())
      void proxy.cutNextCommit(cut, { text: '0@batch.test' })
      const answers = Promise.all(mails.map(send))
      const batched = () => waiting.mock.calls.filter(([{ batch }]) => batch !== undefined)
      await expect.poll(() => batched().length).toBe(BATCH)
      await commits.release()

      const [code, ...others] = new Set(await answers)
      expect(others).toEqual([])
      expect(codes).toContain(code)
      for (const mail of mails) await expect.poll(() => send(mail)).toBe(250)
      const counts = inboxes.map(async ({ inboxId }) => (await world.agentmail.inboxes.messages.list(inboxId)).count)
      expect(await Promise.all(counts)).toEqual([...Array.from({ length: BATCH - 2 }, () => 1), 2])
      const { body } = await world.request('GET', '/v0/events?event_types=message.received')
      const events = body.events as { message: { subject: string } }[]
      expect(events.map(({ message }) => message.subject).toSorted()).toEqual(mails.map(({ subject }) => subject))
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

/** Makes the next commit wait, and with it all transactions behind it. @param write starts the transaction that waits */
async function holdCommits(databaseUrl: string, write: () => Promise<unknown>) {
  const other = new pg.Client({ connectionString: databaseUrl })
  await other.connect()
  await other.query('begin')
  await other.query('select 1 from event_log for update')
  const written = write()
  const waits = 'select 1 from pg_locks where not granted and $1 = any(pg_blocking_pids(pid))'
  const { rows } = await other.query<{ pid: number }>('select pg_backend_pid() as pid')
  await expect.poll(async () => (await other.query(waits, [rows[0]!.pid])).rowCount).toBeGreaterThan(0)
  return {
    async release() {
      await other.query('rollback')
      await other.end()
      await written
    },
  }
}
