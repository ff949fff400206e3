/** Tests values that the two databases treat differently: each of them would make one message fail forever. */
import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { inMemory, unparsedRow } from '../../src/mail/messages/content/insert-content.ts'
import { participants } from '../../src/mail/messages/content/mail-addresses.ts'
import type { Tx } from '../../src/store/handles.ts'
import { rowStep } from '../../src/store/row-statements.ts'
import type { ContentRow } from '../../src/store/schema/message-rows.ts'
import * as contents from '../../src/store/tables/contents-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as threads from '../../src/store/tables/threads-table.ts'
import { countMessage, insertInbox, insertMessage } from './rows.ts'
import { openTestStore } from './test-store.ts'

test.each([
  ['NUL', 'before\0behind'],
  ['half of a surrogate pair', 'before\ud800behind'],
  ['every kind of quote and escape', `'"\\ \\' $1 ? :name %s \\u0000 e'\\n'`],
  ['the end of Unicode', '\u{10ffff}\ufffe\uffff'],
])('text with %s is stored, and found again by the same text', async (_what, text) => {
  await using store = await openTestStore()
  const ids = await store.transaction(async (tx) => {
    const ids = await insertInbox(tx)
    await tx
      .updateTable('inboxes')
      .set({ display_name: text, metadata: JSON.stringify({ text }) })
      .execute()
    return ids
  })
  const row = (await inboxes.getById(store.db, ids.inbox_id))!
  expect(row.display_name).toMatch(/^.*$/su)
  expect(JSON.parse(row.metadata!).text.length).toBe(text.length)
  const found = await store.db.selectFrom('inboxes').select('id').where('display_name', '=', text).execute()
  expect(found).toEqual([{ id: ids.inbox_id }])
})

// PostgreSQL gets the bytes of up to 100 rows as arrays in a binary format.
test('bytes of many rows are read back unchanged, and so are those that are empty or missing', async () => {
  await using store = await openTestStore()
  const random = randomBytes(100_000)
  const texts = ['', '{}', 'NULL', '\\x00', '\0', '\xff\xff\xff\xff'].map((text) => Buffer.from(text, 'latin1'))
  const kinds = [random, new Uint8Array(random.buffer, random.byteOffset + 1, 255), null, ...texts]
  const kind = (index: number) => kinds[index % kinds.length]!
  const rows = await store.transaction(async (tx) => {
    const rows = Array.from({ length: 101 }, (_, index) => ({
      ...unparsedRow(tx, inMemory(randomBytes(1))),
      // A row with each pair of kinds.
      ...{ bytes: kind(index), parsed: kind(Math.floor(index / kinds.length)), search_text: kind(index + 2) },
      verification: index % 2 === 0 ? null : `${index}`,
    }))
    await tx.runRows([rowStep(contents.insertAll, rows)])
    return rows
  })
  const stored = await store.db.selectFrom('contents').selectAll().orderBy('id').execute()
  const hashed = (all: readonly ContentRow[]) => all.map((row) => ({ ...row, ...hashes(row) }))
  expect(hashed(stored)).toEqual(hashed(rows.toSorted((a, b) => (a.id < b.id ? -1 : 1))))
})

/** Hashes are compared: to compare bytes one by one takes seconds. */
function hashes({ bytes, parsed, search_text }: ContentRow) {
  const hash = (value: Uint8Array | null) => value && createHash('sha256').update(value).digest('hex')
  return { bytes: hash(bytes), parsed: hash(parsed), search_text: hash(search_text) }
}

// PostgreSQL gets the values of all rows as arrays, whose text has operators of its own.
test('statements for many rows store every text and number', async () => {
  await using store = await openTestStore()
  const operators = ['{}', '{a,b}', '{"', 'a,b', 'NULL', '"', "'", '\\', '\\"', '\\x00', '[1:1]={1}', '$1', ':name']
  const texts = [...operators, '', ' ', ' x ', '\r\n\t', '\u{1f600}', '\ufeff', null, 'before\0behind']
  const numbers = {
    message_count: 2 ** 31,
    visible_count: -1,
    size_bytes: Number.MAX_SAFE_INTEGER,
    hidden: 2 ** 31 - 1,
  }
  const times = { timestamp: 0, received_timestamp: null, sent_timestamp: 2 ** 42, deleting_at: null }
  const rows = await store.transaction(async (tx) => {
    const ids = await insertInbox(tx)
    const more = { ...ids, ...numbers, ...times, last_message_id: '', created_at: tx.now, updated_at: tx.now }
    const rows = texts.map((text) => ({ id: tx.newId(), subject: text, preview: text, ...more }))
    const counts = rows.map(({ id, subject }) => ({ thread_id: id, label: subject ?? '', message_count: 2 ** 40 }))
    await tx.runRows([
      rowStep(threads.insertAll, rows),
      rowStep(threads.addToLabelCounts, counts),
      rowStep(threads.addToLabelCounts, counts),
      rowStep(threads.insertAll, []),
    ])
    return rows
  })
  const [found] = await store.transaction((tx) => tx.runRows([rowStep(threads.selectByIds, rows)]))
  const stored = new Map(found.map((row) => [row.id, row]))
  for (const row of rows) {
    expect(withoutNul(stored.get(row.id))).toEqual(withoutNul(row))
  }
  const labels = await store.db.selectFrom('thread_labels').select('message_count').execute()
  expect(labels).toEqual(rows.map(() => ({ message_count: 2 ** 41 })))
})

function withoutNul(row: unknown): unknown {
  return JSON.parse(JSON.stringify(row).replaceAll('\\u0000', '\ufffd')) // as PostgreSQL stores it
}

test('times, sizes and counts are read as JavaScript numbers', async () => {
  await using store = await openTestStore()
  const far = Number.MAX_SAFE_INTEGER
  await store.transaction(async (tx) => {
    const { inbox_id } = await insertInbox(tx)
    await countMessage(tx, inbox_id, far)
  })
  const { fn } = store.db
  const row = await store.db
    .selectFrom('inboxes')
    .select(['size_bytes', fn.countAll().as('count'), fn.sum('message_count').as('sum')])
    .groupBy('size_bytes')
    .executeTakeFirst()
  expect(row).toEqual({ size_bytes: far, count: 1, sum: 1 })
})

test('text sorts by code point', async () => {
  await using store = await openTestStore()
  const labels = ['a', 'B', 'ä', 'Z', '_', '-', 'b', '験', '1'].toSorted()
  const found = await store.transaction(async (tx) => {
    const { id } = await insertMessage(tx, await insertInbox(tx))
    await tx
      .insertInto('message_labels')
      .values(labels.map((label) => ({ message_id: id, label })))
      .execute()
    return tx.selectFrom('message_labels').select('label').orderBy('label').execute()
  })
  expect(found.map(({ label }) => label)).toEqual(labels)
})

/** Inserts a message, and participants of its thread. @returns the id of the thread */
async function insertThreadOf(tx: Tx, everyone: readonly threads.ThreadParticipant[]): Promise<string> {
  const { id } = await insertMessage(tx, await insertInbox(tx))
  const { thread_id } = await tx
    .selectFrom('messages')
    .select('thread_id')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  await tx.runRows([rowStep(threads.addParticipants, threads.participantRows(thread_id, everyone, 1))])
  return thread_id
}

// An index key has at most 2,704 bytes on PostgreSQL.
test('a participant whose address is longer than an index key is stored, and removed with its message', async () => {
  await using store = await openTestStore()
  const address = `${randomBytes(5_000).toString('base64')}@example.test`
  const everyone = participants([{ kind: 'from', position: 0, address, name: null }])
  const thread = await store.transaction(async (tx) => {
    const thread_id = await insertThreadOf(tx, everyone)
    return thread_id
  })
  expect((await threads.participantsOf(store.db, [thread], 10)).get(thread)).toMatchObject([{ display: address }])
  await store.transaction((tx) => threads.removeParticipants(tx, thread, everyone))
  expect((await threads.participantsOf(store.db, [thread], 10)).get(thread)).toEqual([])
})

// PostgreSQL stores each of these differences as the same character, and one statement cannot change a row twice.
test('participants whose addresses differ only in what cannot be stored are one', async () => {
  await using store = await openTestStore()
  const long = 'a'.repeat(319)
  const addresses = [
    `${long}\u{1f600}@example.test`,
    `${long}\u{1d4b3}@example.test`,
    'a\0b@example.test',
    'a\ufffdb@example.test',
  ]
  const kind = 'to'
  const everyone = participants(addresses.map((address, position) => ({ kind, position, address, name: null })))
  const found = await store.transaction(async (tx) => {
    const thread_id = await insertThreadOf(tx, everyone)
    return (await threads.participantsOf(tx, [thread_id], 10)).get(thread_id)
  })
  expect(found).toHaveLength(2)
})
