/** Tests on PostgreSQL, with rows and statistics, that searches and batches use an index. SQLite: ../plans.test.ts. */
import { CompiledQuery, type Kysely } from 'kysely'
import { expect, test, vi } from 'vitest'
import type { Db } from '../../../src/store/handles.ts'
import { PostgresConnection } from '../../../src/store/postgres/postgres-connection.ts'
import type { Schema } from '../../../src/store/schema/schema.ts'
import * as addresses from '../../../src/store/tables/addresses-table.ts'
import * as inboxes from '../../../src/store/tables/inboxes-table.ts'
import * as messages from '../../../src/store/tables/messages-table.ts'
import * as placedMessages from '../../../src/store/tables/placed-messages-table.ts'
import * as search from '../../../src/store/tables/search-index-table.ts'
import { insertInbox } from '../rows.ts'
import { openTestStore } from '../test-store.ts'

const next = { limit: 50, ascending: false, after: { key: 500, id: 'x' } }

test('the queries of searches and batches find their rows by an index', async () => {
  await using store = await openTestStore({ limits: { store: { transactionMs: 60_000 } } }) // for the rows, on a busy machine
  const ids = await store.transaction(async (tx) => {
    const run = (text: string) => (tx as unknown as Kysely<Schema>).executeQuery(CompiledQuery.raw(text))
    const { inbox_id: inbox, organization_id: organization, pod_id: pod } = await insertInbox(tx)
    await run(`insert into inboxes select made.* from inboxes, generate_series(1, 3000) i, jsonb_populate_record(inboxes,
      jsonb_build_object('id', 'i' || i, 'address', i || '@x.test', 'created_at', i, 'updated_at', i)) made where inboxes.id = '${inbox}'`)
    await run(`insert into threads select 't' || i, '${organization}', '${pod}', i.id, null, null, 'm', 1, 1, 1, 0, 1, null, null, null, 1, 1
      from (select row_number() over () as i, id from inboxes) i`)
    await run(`insert into contents (id, size_bytes, parsed_size_bytes, parsed_head_bytes, created_at)
      select 'c' || i, 1, 1, 0, 1 from generate_series(1, 20000) i`)
    await run(`insert into messages (id, organization_id, pod_id, inbox_id, thread_id, content_id, api_message_id, api_message_id_hash,
        fingerprint, size_bytes, has_attachments, hidden, authentication, labels_seq, timestamp, created_at, updated_at)
      select 'm' || i, '${organization}', '${pod}', inbox_id, threads.id, 'c' || i, 'm' || i, 'h' || i, 'f', 1, 0, 0, '{}', 1, i, i, i
      from generate_series(1, 20000) i join threads on threads.id = 't' || (i % 3000 + 1)`)
    await run(`insert into search_blocks (inbox_id, kind, after_number, last_number, text_function, numbers, has_removed)
      select inboxes.id, 'text', i * 10, i * 10 + 9, 't', '', 0 from inboxes, generate_series(1, 5) i`)
    await run(`insert into search_chunks select i, '' from generate_series(1, 20000) i`)
    await run(
      `insert into content_addresses select 'c' || i, 'from', 0, i || '@x.test', null from generate_series(1, 20000) i`,
    )
    await run(`insert into message_bcc select 'm' || i, 0, i || '@x.test', null from generate_series(1, 5000) i`)
    const filled = ['inboxes', 'threads', 'contents', 'messages', 'search_blocks', 'search_chunks']
    for (const table of [...filled, 'content_addresses', 'message_bcc']) await run(`analyze ${table}`)
    return { inbox, organization, pod }
  })
  const planOf = async (run: (db: Db) => Promise<unknown>) => {
    const spy = vi.spyOn(PostgresConnection.prototype, 'executeQuery')
    await run(store.db)
    const [query] = spy.mock.calls.at(-1)!
    spy.mockRestore()
    const explain = CompiledQuery.raw(`explain ${query.sql}`, [...query.parameters])
    const { rows } = await (store.db as unknown as Kysely<Schema>).executeQuery<{ 'QUERY PLAN': string }>(explain)
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  }
  const inboxId = 'i7'
  const plans: [index: string, run: (db: Db) => Promise<unknown>][] = [
    ['messages_by_number', (db) => search.listInRange(db, { inboxId, after: 1, before: 9_000, limit: 50 })],
    ['messages_by_number', (db) => search.listByNumbers(db, inboxId, [9, 99, 999])],
    ['search_chunks_pkey', (db) => search.slicesOf(db, [1, 20, 300], [1, 200])],
    ['search_blocks_by_inbox', (db) => search.listContaining(db, inboxId, [9, 99])],
    [
      'content_addresses_pkey',
      (db) => addresses.addressesOf(db, [{ id: 'm9', content_id: 'c9', envelope_recipient: '' }]),
    ],
    ['message_bcc_pkey', (db) => addresses.bccOf(db, [{ id: 'm9', envelope_recipient: null }])],
    ['messages_by_inbox', (db) => search.newestBefore(db, inboxId, 9_000)],
    ['messages_by_inbox', (db) => search.oldestAfter(db, inboxId, 9_000)],
    ['messages_by_inbox', (db) => search.numbersAt(db, inboxId, { from: 8_000, through: 9_000, limit: 1_001 })],
    [
      'search_blocks_by_inbox',
      (db) => search.listBlocks(db, { inboxId, kind: 'text', textFunction: 't', before: 9_000, limit: 64 }),
    ],
    [
      'messages_by_thread',
      (db) => search.listInThread(db, inboxId, { threadId: 't7', newerThan: 1, from: 1, through: 9_000 }, next),
    ],
    ['messages_api_id', (db) => messages.keysByApiIds(db, inboxId, ['h1', 'h2'])],
    ['messages_api_id', (db) => messages.newestByHeaderId(db, inboxId, 'h1')],
    ['messages_by_header_id', (db) => messages.newestByHeaderId(db, inboxId, 'h1')],
    ['messages_api_id', (db) => placedMessages.findLabelled(db, { inboxId, idHash: 'h1', label: 'received' })],
    ['inboxes_by_organization', (db) => inboxes.listNames(db, { organizationId: ids.organization }, next)],
    ['messages_by_number', (db) => inboxes.listNewest(db, { organizationId: ids.organization }, next)],
  ]
  for (const [index, run] of plans) {
    const plan = await planOf(run)
    expect(plan).toContain(index)
    expect(plan).not.toMatch(/Seq Scan/)
  }
})
