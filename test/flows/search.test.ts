/** Tests that a search finds a message from its 250 on, and that only the root key makes the index again. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { searchMessages } from '../../src/mail/messages/search/search.ts'
import { createBodyTexts } from '../../src/mail/messages/search/text-cache.ts'
import { createMetrics } from '../../src/metrics.ts'
import { openStore } from '../../src/store/store.ts'
import { startWorld, type World } from '../support/world.ts'

test('messages that arrived over SMTP are found as soon as they have their 250, large ones too', async () => {
  await using world = await startWorld()
  const inbox = (await world.request('POST', '/v0/inboxes', { body: { username: 'ada' } })).body
  const large = `the needle is here ${randomBytes(300_000).toString('base64')}`
  const mails = [
    { subject: 'first', text: 'needle' },
    { subject: 'second', html: '<p>another <i>needle</i></p>' },
    { subject: 'third', text: large },
    { subject: 'fourth', text: 'hay' },
  ]
  for (const mail of mails) await world.smtp.send({ to: inbox.inbox_id, ...mail })
  await world.stop()
  expect(await subjectsWith(world, inbox.inbox_id, 'needle')).toEqual(['third', 'second', 'first'])
})

test('the index is made again for the root key only', async () => {
  await using world = await startWorld()
  const { api_key: key } = (await world.request('POST', '/v0/api-keys', { body: { name: 'other' } })).body
  expect((await world.request('POST', '/v0/search/rebuild', { key })).status).toBe(403)
  expect(await world.request('POST', '/v0/search/rebuild')).toMatchObject({ status: 200, body: { blocks: 0 } })
})

/** Searches in the database of a server that has stopped. */
async function subjectsWith(world: World, address: string, text: string): Promise<(string | null)[]> {
  const limits = withLimits({})
  const bodyTexts = createBodyTexts(limits)
  const store = await openStore({
    config: { dataDir: world.dataDir, databaseUrl: world.shared.databaseUrl, limits },
    log: createLog('silent'),
    metrics: createMetrics(),
    clock: Date.now,
    random: randomBytes,
  })
  try {
    const inbox = await store.db
      .selectFrom('inboxes')
      .select('id')
      .where('address', '=', address)
      .executeTakeFirstOrThrow()
    const anyOf = [{ columns: ['body'] as const, allOf: [text] }]
    const { messages } = await searchMessages({ store, bodyTexts, limits }, { inboxId: inbox.id, anyOf, limit: 10 })
    const rows = await store.db.selectFrom('messages').select(['id', 'subject']).execute()
    return messages.map(({ id }) => rows.find((row) => row.id === id)!.subject)
  } finally {
    await store.close()
  }
}
