/** The number of statements that a message and a page of messages need: each takes longer than its rows. */
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import { compressBodies } from '../../src/mail/messages/content/compressed-bodies.ts'
import { createMessageBatches } from '../../src/mail/messages/message-batches.ts'
import { createMessages } from '../../src/mail/messages/messages.ts'
import { packContentText } from '../../src/mail/messages/search/content-text.ts'
import { createMailSearch } from '../../src/mail/messages/search/mail-search.ts'
import { hashId } from '../../src/mail/messages/threads/threading.ts'
import { countStatements } from '../store/count-statements.ts'
import { type InboxIds, insertInbox, insertMessage } from '../store/rows.ts'
import { openTestStore, type TestStore } from '../store/test-store.ts'

const COUNT = 60
const memory = { freeBytes: 64 * 1024, reserve: async () => false, nextTurn: async () => undefined }

test('a received message needs four statements, and a fifth one if it has attachments', async () => {
  await using store = await openTestStore()
  const { messages, actor, ids, statements } = await readerOf(store)
  const read = await messages.get(actor, ids.inbox_id, '<7@example.test>', memory)
  expect(read).toMatchObject({ text: 'words 7', inboxAddress: expect.stringMatching(/^ada@/) })
  expect(statements).toEqual({ inboxes: 1, messages: 1, message_labels: 1, content_addresses: 1 })

  await store.transaction((tx) => tx.updateTable('messages').set({ has_attachments: 1 }).execute())
  await messages.get(actor, ids.inbox_id, '<7@example.test>', memory)
  expect(statements).toMatchObject({ messages: 2, attachments: 1 })
  expect(statements).not.toHaveProperty('contents')

  const byId = await messages.get(actor, ids.inbox_id, read.id, memory)
  expect(byId).toMatchObject({ messageId: '<7@example.test>', text: 'words 7' })
})

test('a message that is too large for the free memory is loaded after its size', async () => {
  await using store = await openTestStore()
  const { messages, actor, ids, statements } = await readerOf(store)
  const read = await messages.get(actor, ids.inbox_id, '<7@example.test>', { ...memory, freeBytes: 10 })
  expect(read).toMatchObject({ text: 'words 7' })
  expect(statements).toMatchObject({ messages: 1, contents: 1 })
})

test('a page of 50 messages needs four statements', async () => {
  await using store = await openTestStore()
  const { messages, actor, ids, statements } = await readerOf(store)
  const first = await messages.list(actor, ids.inbox_id, {}, { limit: 50 }, memory)
  expect(first.items).toHaveLength(50)
  expect(first.items[0]).toMatchObject({
    inboxId: ids.inbox_id,
    podId: ids.pod_id,
    organizationId: ids.organization_id,
  })
  expect(statements).toEqual({ inboxes: 1, messages: 1, message_labels: 1, content_addresses: 1 })
  const next = { limit: 50, pageToken: first.nextPageToken }
  const second = await messages.list(actor, ids.inbox_id, {}, next, memory)
  const seen = [...first.items, ...second.items].map(({ messageId }) => messageId)
  expect(new Set(seen)).toEqual(new Set(Array.from({ length: COUNT }, (_, index) => `<${index}@example.test>`)))
})

test('a batch of messages by their ids needs one statement more for each 50 of them', async () => {
  await using store = await openTestStore()
  const { counted, actor, ids, statements } = await readerOf(store)
  const batches = createMessageBatches({ store: counted, limits: withLimits() })
  for (const [count, messages] of [
    [1, 2],
    [50, 2],
    [60, 3],
  ] as const) {
    for (const table of Object.keys(statements)) delete statements[table]
    const refs = Array.from({ length: count }, (_, index) => `<${index}@example.test>`)
    expect(await batches.get(actor, ids.inbox_id, refs, memory)).toHaveLength(count)
    expect(statements).toEqual({ inboxes: 1, messages, message_labels: 1, content_addresses: 1 })
  }
})

test('a search of a page of 50 in 60 messages needs a few statements', async () => {
  await using store = await openTestStore()
  const { counted, actor, ids, statements } = await readerOf(store)
  const search = createMailSearch({ store: counted, log: createLog('silent'), limits: withLimits() })
  const found = await search.messages(actor, ids.inbox_id, { q: 'words' }, { limit: 50 }, memory)
  expect(found.items).toHaveLength(50)
  // The blocks of the index, the messages to compare and their addresses; then as for a list.
  expect(statements).toEqual({ inboxes: 1, search_blocks: 1, messages: 2, content_addresses: 2, message_labels: 1 })
})

test('the Bcc addresses of a sent message are shown, with one more statement', async () => {
  await using store = await openTestStore()
  const { messages, actor, ids, statements } = await readerOf(store)
  await store.transaction(async (tx) => {
    await tx.updateTable('messages').set({ envelope_recipient: null }).execute()
    const { id } = await tx
      .selectFrom('messages')
      .select('id')
      .where('api_message_id', '=', '<7@example.test>')
      .executeTakeFirstOrThrow()
    await tx
      .insertInto('message_bcc')
      .values({ message_id: id, position: 0, address: 'bob@example.test', name: null })
      .execute()
  })
  const read = await messages.get(actor, ids.inbox_id, '<7@example.test>', memory)
  expect(read.bcc).toEqual([{ address: 'bob@example.test' }])
  expect(statements).toMatchObject({ content_addresses: 1, message_bcc: 1 })
})

/** Files messages, and returns how an API key reads them. */
async function readerOf(store: TestStore) {
  const ids = await store.transaction(async (tx) => {
    const ids: InboxIds = await insertInbox(tx)
    for (let index = 0; index < COUNT; index += 1) {
      const { id, contentId } = await insertMessage(tx, ids)
      const apiMessageId = `<${index}@example.test>`
      const { bytes: parsed, sizeBytes } = compressBodies({ text: `words ${index}`, headers: [] })
      const searchText = packContentText({ addresses: [], body: `words ${index}` }, 100)
      await tx
        .updateTable('contents')
        .set({ parsed, parsed_size_bytes: sizeBytes, search_text: searchText })
        .where('id', '=', contentId)
        .execute()
      await tx
        .updateTable('messages')
        .set({
          api_message_id: apiMessageId,
          api_message_id_hash: hashId(apiMessageId),
          envelope_recipient: 'ada@test',
        })
        .where('id', '=', id)
        .execute()
    }
    return ids
  })
  const { counted, statements } = countStatements(store)
  const unused = () => Promise.reject(new Error('not used'))
  const messages = createMessages({
    store: counted,
    contents: { read: () => Readable.from([]) },
    senderTrust: { isOn: true },
    downloads: { link: unused, open: unused },
    removal: { remove: unused },
    discardBlobs: unused,
    limits: withLimits(),
  })
  const actor: KeyActor = { kind: 'key', apiKeyId: 'key', organizationId: ids.organization_id }
  return { messages, counted, actor, ids, statements }
}
