/**
 * Tests that a scheduled draft is sent once: after a kill in the middle of sending, by several nodes, and after a pause.
 * Each failure would show as a message too many or too few.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { api } from '../support/process-client.ts'
import { ROOT_KEY } from '../support/root-key.ts'
import { startServer } from '../support/server-process.ts'
import { createTestDatabase, notSupported, readRows } from '../support/test-database.ts'
import { startNodes, startWorld } from '../support/world.ts'

const INBOX = '/inboxes/ada@mail.localhost'

/** Kills the process when it hashes the text: between the claim of the draft and the commit of its message. */
const KILL_ON_TEXT = `--import=data:text/javascript;base64,${Buffer.from(`
  import { Hash } from 'node:crypto'
  const { update } = Hash.prototype
  Hash.prototype.update = function (data, encoding) {
    if (data.includes('text-that-kills')) process.kill(process.pid, 'SIGKILL')
    return update.call(this, data, encoding)
  }`).toString('base64')}`

test('a draft whose sender is killed before its commit is sent once, after the restart', {
  timeout: 90_000,
}, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  await using database = await createTestDatabase('started', dataDir)
  const blobsDir = join(dataDir, 'blobs')
  const start = (env: Record<string, string> = {}) =>
    startServer(
      {
        MARTLET_DATA_DIR: dataDir,
        MARTLET_DATABASE_URL: database.url ?? '',
        MARTLET_BLOBS_URL: pathToFileURL(blobsDir).href,
        MARTLET_HTTP_PORT: '0',
        MARTLET_SMTP_PORT: '0',
        ...MAIL_PROGRAMS_OFF,
        MARTLET_ROOT_KEY: ROOT_KEY,
        ...env,
      },
      { sending: { draftLeaseMs: 1_000, schedulePollMs: 50 }, jobs: { interruptedDelayMs: 100 } },
    )
  const first = await start()
  await api(first, ROOT_KEY, 'POST', '/inboxes', { username: 'ada' })
  const { draft_id } = await api(first, ROOT_KEY, 'POST', `${INBOX}/drafts`, {
    to: 'bob@example.test',
    text: 'text-that-kills',
    send_at: new Date(Date.now() + 3_600_000),
  })
  first.signal('SIGKILL')
  await first.exited

  const second = await start({ NODE_OPTIONS: KILL_ON_TEXT })
  // It may be killed before it answers.
  await api(second, ROOT_KEY, 'PATCH', `${INBOX}/drafts/${draft_id}`, { send_at: new Date() }).catch(() => undefined)
  expect(await second.exited).toBeNull()
  const place = { dataDir, shared: { databaseUrl: database.url, blobsDir } }
  expect(await readRows(place, 'select lease_owner is null, (select count(*) from messages) from drafts')).toEqual([
    [expect.toSatisfy((isFree) => isFree === false || isFree === 0), 0],
  ])

  const third = await start()
  await expect.poll(async () => (await api(third, ROOT_KEY, 'GET', `${INBOX}/drafts`)).count).toBe(0)
  third.signal('SIGTERM')
  await third.exited
  const counts = `select (select count(*) from messages), (select count(*) from submissions),
    (select count(*) from events where type = 'message.sent'), (select count(*) from drafts)`
  expect(await readRows(place, counts)).toEqual([[1, 1, 1, 0]])
})

notSupported('sqlite', 'one process uses a data folder')('two nodes send each scheduled draft once', async () => {
  await using nodes = await startNodes({ sending: { schedulePollMs: 20 } })
  const { inboxId } = await nodes.one.agentmail.inboxes.create({ username: 'ada' })
  const sendAt = new Date(Date.now() + 500)
  const count = 30
  for (let number = 0; number < count; number += 1) {
    const { drafts } = nodes.both[number % 2]!.agentmail.inboxes
    await drafts.create(inboxId, { to: [`r${number}@example.test`], text: 'x', sendAt })
  }
  await expect.poll(async () => (await nodes.two.agentmail.drafts.list()).count).toBe(0)
  const sent = `select count(*), count(distinct address) from recipients`
  expect(await readRows(nodes.one, sent)).toEqual([[count, count]])
})

// A server restored from a backup would send drafts that the original has sent since.
test('while outbound mail is paused, no scheduled draft is sent; at the end of the pause, all are', async () => {
  await using world = await startWorld({ startPaused: true, limits: { sending: { schedulePollMs: 600_000 } } })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const bob = await world.agentmail.inboxes.create({ username: 'bob' })
  const { drafts, messages } = world.agentmail.inboxes
  const socket = await world.subscribe({ eventTypes: ['message.sent', 'message.delivered'] })
  const { draftId } = await drafts.create(ada.inboxId, { to: [bob.email], text: 'x', sendAt: new Date(0) })
  await messages.send(ada.inboxId, { to: [bob.email], text: 'now' })
  await socket.next('message.delivered')
  expect(await drafts.get(ada.inboxId, draftId)).toMatchObject({ sendStatus: 'scheduled' })

  await world.request('POST', '/v0/outbound/resume')
  await expect.poll(async () => (await drafts.list(ada.inboxId)).count).toBe(0)
  await socket.next('message.delivered')
  expect((await messages.list(bob.inboxId)).count).toBe(2)
})

// It failed for good.
test('a scheduled draft of an inbox that has sent enough for the day is sent on the next day', async () => {
  let now = Date.UTC(2026, 10, 30, 23, 59, 30)
  const limits = { sending: { schedulePollMs: 20 } }
  await using world = await startWorld({ limits, env: { MARTLET_INBOX_SENDS: '1' }, clock: () => now })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const { drafts, messages } = world.agentmail.inboxes
  await messages.send(inboxId, { to: ['zoe@example.test'], text: 'today' })
  const { draftId } = await drafts.create(inboxId, { to: ['zoe@example.test'], text: 'x', sendAt: new Date(now + 1) })
  now += 1_000
  const waits = 'select next_attempt_at - send_at from drafts where lease_owner is null'
  await expect.poll(() => readRows(world, waits)).toEqual([[29_999]])
  expect(await drafts.get(inboxId, draftId)).toMatchObject({ sendStatus: 'scheduled' })
  now += 30_000
  await expect.poll(async () => (await drafts.list(inboxId)).count).toBe(0)
})

// Eight drafts of 34 MB in one pod delayed the draft of another pod by 27 s.
test('a pod with many due drafts does not delay those of other pods', async () => {
  await using world = await startWorld({ startPaused: true, limits: { sending: { schedulePollMs: 600_000 } } })
  const addInbox = async (name: string) => {
    const { podId } = await world.agentmail.pods.create({ name })
    return (await world.agentmail.pods.inboxes.create(podId, { username: name })).inboxId
  }
  const [busy, fine, late] = [await addInbox('busy'), await addInbox('fine'), await addInbox('late')]
  const { drafts } = world.agentmail.inboxes
  for (const inbox of [...Array.from({ length: 8 }, () => busy), fine, fine, late]) {
    await drafts.create(inbox, { to: ['zoe@example.test'], text: 'x', sendAt: new Date(0) })
  }
  const socket = await world.subscribe({ eventTypes: ['message.sent'] })
  await world.request('POST', '/v0/outbound/resume')
  const order: string[] = []
  while (order.length < 11) order.push((await socket.next('message.sent')).send.inbox_id)
  // Two are sent at once, and a pod alone may send one of them: the pods take turns.
  expect(order.lastIndexOf(fine)).toBeLessThan(7)
  expect(order.indexOf(late)).toBeLessThan(5)
})
