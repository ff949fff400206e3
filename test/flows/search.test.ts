/** Tests that a search finds a message from its 250 on, and that only the root key makes the index again. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { parseMail } from '../../src/mail/messages/content/parsed-message.ts'
import { createMetrics } from '../../src/metrics.ts'
import { openStore } from '../../src/store/store.ts'
import { insertParsedMails } from '../support/parsed-mail-rows.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ limits: { search: { pageRowsMax: 60, indexPauseMs: 1 }, jobs: { firstSweepMs: 20 } } })
})
afterAll(() => world[Symbol.asyncDispose]())

/** Returns the subjects of all results, newest first, and the number of pages. */
async function search(inbox: string, q: string): Promise<{ subjects: (string | null)[]; pages: number }> {
  const subjects: (string | null)[] = []
  let pages = 0
  let next: string | undefined
  do {
    const token = next === undefined ? '' : `&page_token=${encodeURIComponent(next)}`
    const { body } = await world.request(
      'GET',
      `/v0/inboxes/${inbox}/messages/search?q=${encodeURIComponent(q)}${token}`,
    )
    subjects.push(...body.messages.map(({ subject }: { subject: string | null }) => subject))
    pages += 1
    next = body.next_page_token
  } while (next !== undefined)
  return { subjects, pages }
}

test('messages that arrived over SMTP are found as soon as they have their 250, large ones too', async () => {
  const inbox = (await world.request('POST', '/v0/inboxes', { body: { username: 'ada' } })).body.inbox_id
  const mails = [
    { subject: 'first', text: 'needle' },
    { subject: 'second', html: '<p>another <i>needle</i></p>' },
    { subject: 'third', text: `the needle is here ${randomBytes(300_000).toString('base64')}` },
    { subject: 'fourth', from: 'Needle <pin@example.test>' },
  ]
  const found: string[] = []
  for (const mail of mails) {
    await world.smtp.send({ to: inbox, ...mail })
    found.unshift(mail.subject)
    expect((await search(inbox, 'needle')).subjects).toEqual(found)
  }
})

test('the server makes an index that is missing, and for the root key all of it again; meanwhile a search finds the same', async () => {
  const inbox = (await world.request('POST', '/v0/inboxes', { body: { username: 'bea' } })).body.inbox_id
  await world.stop()
  await fill(inbox, 590)
  await world.restart()
  const indexed = { subjects: ['message 3'], pages: 2 } // 78 messages have no index; without one it would be 10 pages
  await expect.poll(() => search(inbox, 'needle')).toEqual(indexed)

  const { api_key: key } = (await world.request('POST', '/v0/api-keys', { body: { name: 'other' } })).body
  expect((await world.request('POST', '/v0/search/rebuild', { key })).status).toBe(403)
  expect(await world.request('POST', '/v0/search/rebuild')).toMatchObject({ status: 200, body: { blocks: 2 } })
  expect((await search(inbox, 'needle')).subjects).toEqual(['message 3'])
  await expect.poll(() => search(inbox, 'needle')).toEqual(indexed)
})

/** Inserts messages into the database of a server that has stopped. */
async function fill(address: string, count: number): Promise<void> {
  const limits = withLimits({})
  const store = await openStore({
    config: { dataDir: world.dataDir, databaseUrl: world.shared.databaseUrl, limits },
    log: createLog('silent'),
    metrics: createMetrics(),
    clock: Date.now,
    random: randomBytes,
  })
  try {
    const mails = Array.from({ length: count }, (_, at) =>
      parseMail(
        Buffer.from(`From: a@b.test\r\nSubject: message ${at}\r\n\r\n${at === 3 ? 'a needle' : 'hay'}`),
        limits,
      ),
    )
    await store.transaction(async (tx) => {
      const { id, organization_id, pod_id } = await tx
        .selectFrom('inboxes')
        .select(['id', 'organization_id', 'pod_id'])
        .where('address', '=', address)
        .executeTakeFirstOrThrow()
      await insertParsedMails(tx, { organization_id, pod_id, inbox_id: id }, mails)
    })
  } finally {
    await store.close()
  }
}
