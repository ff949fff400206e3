import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { databaseName } from '../support/test-database.ts'
import { startWorld, type World } from '../support/world.ts'

const MIB = 1024 ** 2

test('a nearly full disk causes temporary errors, loses nothing, and needs no action to recover', async () => {
  let free = Number.MAX_SAFE_INTEGER
  await using world = await startWorld({ limits: { store: { diskCheckMs: 5 } }, freeBytes: async () => free })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ to: ada.email, subject: 'before', text: 'kept' })

  free = 0
  const refused = await sendUntil(world, 503)
  expect(refused.headers.get('retry-after')).toBeTruthy()
  expect(refused.body).toMatchObject({ name: 'ServiceUnavailableError', code: 'service_unavailable' })
  await expect(world.smtp.send({ to: ada.email, subject: 'during', text: 'refused' })).rejects.toMatchObject({
    responseCode: 452,
    response: expect.stringContaining('4.3.1'),
  })
  expect(await world.request('GET', '/readyz')).toMatchObject({ status: 503, body: { failing: ['disk'] } })
  // Reads still work.
  expect((await world.agentmail.inboxes.messages.list(ada.inboxId, { labels: ['received'] })).count).toBe(1)

  free = Number.MAX_SAFE_INTEGER
  const accepted = await sendUntil(world, 200)
  await world.smtp.send({ to: ada.email, subject: 'after', text: 'kept' })
  expect((await world.request('GET', '/readyz')).status).toBe(200)
  const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId)
  expect(messages.map(({ subject }) => subject)).toContain('after')
  expect(messages.map(({ subject }) => subject)).not.toContain('during')
  expect(messages.map(({ messageId }) => messageId)).toContain(accepted.body.message_id)
})

test('deleting mail gives its space back to a full disk, and the server accepts mail again', async ({ skip }) => {
  if (databaseName() !== 'sqlite') skip('a PostgreSQL server has its own disk')
  const capacityBytes = 16 * MIB
  let dataDir = ''
  const freeBytes = async () => (dataDir === '' ? capacityBytes : capacityBytes - (await sizeOf(dataDir)))
  const quick = { diskCheckMs: 20, diskFreeBytesMin: 2 * MIB, freePagesMax: 50, shrinkCheckMs: 20, shrinkPauseMs: 1 }
  await using world = await startWorld({ limits: { store: { ...quick, checkpointPages: 200 } }, freeBytes })
  dataDir = world.dataDir
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const send = (index: number) =>
    world.smtp.send({ to: ada.email, subject: `mail ${index}`, text: randomBytes(100_000).toString('hex') })

  const full = await untilRefused(send)
  expect(full).toMatchObject({ responseCode: 452 })
  const before = (await stat(join(dataDir, 'martlet.db'))).size
  await world.agentmail.inboxes.delete(ada.inboxId)

  await world.agentmail.inboxes.create({ username: 'bob' })
  await expect.poll(async () => (await world.request('GET', '/readyz')).status).toBe(200)
  await world.smtp.send({ to: 'bob@mail.localhost', text: 'there is space again' })
  // There is space before the last message is removed.
  await expect.poll(async () => (await stat(join(dataDir, 'martlet.db'))).size).toBeLessThan(before / 3)
})

/** Sends until the server refuses. Returns the error. */
async function untilRefused(send: (index: number) => Promise<unknown>): Promise<unknown> {
  for (let index = 0; ; index += 1) {
    const error = await send(index).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (error) return error
  }
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(folder, entry.name))).size
  }
  return bytes
}

/** Sends until the response has the expected status: the free disk space is checked every few milliseconds. */
async function sendUntil(world: World, status: number) {
  for (;;) {
    const answer = await world.request('POST', '/v0/inboxes/ada@mail.localhost/messages/send', {
      body: { to: 'zoe@example.test', text: 'hello' },
    })
    if (answer.status === status) return answer
  }
}
