/** Tests when the index of whole messages is made and what it saves. That it changes no result: search-index.test.ts. */
import { truncate } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { OpenMailbox } from '../../src/edges/imap/session/mail-store.ts'
import { decodeNumbers } from '../../src/formats/search/search-block.ts'
import { createLog } from '../../src/log.ts'
import { checkIndexes } from '../../src/mail/messages/search/index-messages.ts'
import { createIndexSources, INDEX_SOURCES } from '../../src/mail/messages/search/index-sources.ts'
import { createSignatureThread } from '../../src/mail/messages/search/signature-thread.ts'
import { createSourceIndex } from '../../src/mail/messages/search/source-index.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as messages from '../../src/store/tables/messages-table.ts'
import { invalidateSome } from '../../src/store/tables/search-index-table.ts'
import { countStatements } from '../store/count-statements.ts'
import { appendedMail, type MailboxWorld, startMailboxes, startNode } from './mailbox-world.ts'

const LIMITS = {
  store: { inlineBytesMax: 5_000 },
  search: { indexPauseMs: 0, sourceCheckMs: 0, purgeDelayMs: 0, sourceMessagesMin: 8 },
}
const limits = withLimits(LIMITS)
const thread = createSignatureThread(limits)

let world: MailboxWorld
beforeAll(async () => {
  world = await startMailboxes(LIMITS)
})
afterAll(async () => {
  await thread.stop()
  await world[Symbol.asyncDispose]()
})

async function index(): Promise<void> {
  const run = createIndexSources({ store: world.store, contents: world.node.contents, thread, limits })
  const { signal } = new AbortController()
  await run({ kind: INDEX_SOURCES, key: world.inboxId, payload: {}, attempt: 1, signal })
  await world.store.transaction((tx) => tx.deleteFrom('jobs').execute())
}

const blocks = () => world.store.db.selectFrom('search_blocks').selectAll().where('kind', '=', 'source').execute()
const jobs = async () => (await world.store.db.selectFrom('jobs').select('kind').execute()).map(({ kind }) => kind)
const receive = async (count: number) => {
  for (let left = count; left > 0; left -= 1) await world.receive({ text: 'nothing special' })
}
const find = (inbox: OpenMailbox, value: string) =>
  inbox.search({ key: 'text', in: 'text', value }, inbox.latest(), [], new AbortController().signal)

test('received mail requests no index; a mail program that opens an inbox with some messages does', async () => {
  await receive(7)
  const account = await world.logIn()
  ;(await account.open('INBOX')).close()
  expect(await jobs()).toEqual([])
  await receive(1)
  expect(await jobs()).toEqual([])
  ;(await account.open('INBOX')).close()
  expect(await jobs()).toEqual([INDEX_SOURCES])
})

test('a node that has just started reads only messages that may match, and a later one extends the block', async () => {
  const account = await world.logIn()
  await account.append('INBOX', appendedMail('From: a@x.test\nX-Loop: carousel\n\nhello\n'))
  await index()
  const [first, ...others] = await blocks()
  expect(others).toEqual([])
  const { counted, statements } = countStatements(world.store)
  const node = await startNode(counted, limits)
  const inbox = await (await world.logIn(undefined, node)).open('INBOX')
  delete statements.contents
  expect(await find(inbox, 'neither here nor there')).toEqual([])
  expect(statements.contents).toBeUndefined()
  expect(await find(inbox, 'x-loop: carousel')).toEqual([9])
  expect(statements.contents).toBe(1)

  await receive(8)
  await index()
  const extended = await blocks()
  expect(extended).toHaveLength(1)
  expect(extended[0]!.after_number).toBe(first!.after_number)
  expect(extended[0]!.last_number).toBeGreaterThan(first!.last_number)
  await inbox.refresh()
  delete statements.contents
  expect(await find(inbox, 'neither here nor there')).toEqual([])
  expect(statements.contents).toBeUndefined()
  await node.feed.stop()
})

test('the signatures of a deleted message are removed soon', async () => {
  const ids = (await world.store.db.selectFrom('messages').select('id').orderBy('number').execute()).map(({ id }) => id)
  const before = (await blocks())[0]!
  const blobs = await world.store.transaction(async (tx) => {
    await inboxes.lockById(tx, world.inboxId)
    return world.node.removal.remove(tx, world.inboxId, await messages.listByIds(tx, ids.slice(0, 3)))
  })
  await world.node.discardBlobs(blobs)
  expect(await jobs()).toEqual([INDEX_SOURCES])
  await index()
  const after = await blocks()
  expect(after).toHaveLength(1)
  expect(after[0]!.has_removed).toBe(0)
  expect(after[0]!.numbers.length).toBeLessThan(before.numbers.length)
})

test('a rebuild, and a new version, make the index again', async () => {
  await world.store.transaction((tx) => invalidateSome(tx, 100))
  await checkIndexes({ store: world.store, limits }, new AbortController().signal)
  expect(await jobs()).toEqual([INDEX_SOURCES])
  const outdated = (await blocks())[0]!
  await index()
  const made = await blocks()
  expect(made).toHaveLength(1)
  expect(made[0]!.id).not.toBe(outdated.id)
  expect(made[0]!.text_function).toMatch(/^source:/)
})

// The job failed for all messages that it read with it, and again whenever it was retried.
test('a message that cannot be decompressed does not stop the index of the others', async () => {
  await receive(8)
  const { db } = world.store
  const newest = db.selectFrom('messages').select(['number', 'content_id']).orderBy('number', 'desc')
  const { number, content_id } = await newest.limit(1).executeTakeFirstOrThrow()
  const bytes = Buffer.from([0xff])
  await world.store.transaction((tx) =>
    tx.updateTable('contents').set({ bytes }).where('id', '=', content_id).execute(),
  )
  await index()
  expect((await blocks()).flatMap(({ numbers }) => decodeNumbers(numbers))).toContain(number)
})

test('a message whose file is too short is read by each search, which reports it', async () => {
  // Its signature was that of the rest: no search for other words read it, and NOT found it.
  const account = await world.logIn()
  await account.append('INBOX', appendedMail(`From: a@x.test\n\n${'in a file\n'.repeat(1_000)}`))
  const { db } = world.store
  const { blob_key } = await db
    .selectFrom('contents')
    .select('blob_key')
    .where('blob_key', 'is not', null)
    .executeTakeFirstOrThrow()
  await truncate(world.store.blobs.fileOf(blob_key!)!, 5_000)
  await receive(8)
  await index()
  const node = await startNode(world.store, limits)
  const inbox = await (await world.logIn(undefined, node)).open('INBOX')
  const key = { key: 'text', in: 'text', value: 'neither here nor there' } as const
  const { signal } = new AbortController()
  let damaged = 0
  await inbox.search(key, inbox.latest(), [], signal, (count) => {
    damaged += count
  })
  expect(damaged).toBe(2)
  await node.feed.stop()
})

test('messages before the first block are read like those after the last one', async () => {
  const [block] = await blocks()
  await world.store.transaction((tx) =>
    tx.updateTable('search_blocks').set({ after_number: 3 }).where('id', '=', block!.id).execute(),
  )
  const sourceIndex = createSourceIndex({ store: world.store, clock: Date.now, log: createLog('silent'), limits })
  const { signal } = new AbortController()
  expect((await sourceIndex.find(world.inboxId, 'neither here nor there', signal))!.gaps).toEqual([
    { after: block!.last_number, through: expect.any(Number) },
    { after: 0, through: 3 },
  ])
})
