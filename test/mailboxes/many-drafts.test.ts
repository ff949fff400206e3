/** Tests that Drafts works with thousands of drafts, and that a change of one draft reads only this one. */
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import type { Tx } from '../../src/store/handles.ts'
import { asKysely } from '../store/test-store.ts'
import { appendedMail, startMailboxes } from './mailbox-world.ts'

/** More than a statement of SQLite has parameters. */
const COUNT = 33_000

test('33,000 drafts can be opened, searched, changed and removed', async () => {
  // The labels of more drafts than a statement has parameters could not be read.
  // They are inserted in one transaction, which may take longer than its 5 s when other programs use the machine.
  await using world = await startMailboxes({ store: { transactionMs: 60_000 } })
  const { store, inboxId, actor } = world
  const before = await world.logIn()
  await before.append('Drafts', appendedMail('Message-ID: <first@x.test>\nSubject: first\n\none\n'))
  before.close()
  const draft = await store.db
    .selectFrom('drafts')
    .selectAll()
    .where('inbox_id', '=', inboxId)
    .executeTakeFirstOrThrow()
  const revision = await store.db
    .selectFrom('draft_revisions')
    .selectAll()
    .where('id', '=', draft.revision_id)
    .executeTakeFirstOrThrow()
  await store.transaction(async (tx) => {
    // Inserted row by row, they took longer than a transaction may on a busy machine.
    const ids = { draft: copiedId(draft.id), revision: copiedId(revision.id) }
    await insertCopies(tx, 'drafts', draft, { id: ids.draft, revision_id: ids.revision, client_id: ids.draft })
    await insertCopies(tx, 'draft_revisions', revision, {
      id: ids.revision,
      draft_id: ids.draft,
      message_id_hash: 'null',
    })
    // As after a long time without a mail program: everything is compared.
    const { last_seq } = await tx.selectFrom('event_log').select('last_seq').executeTakeFirstOrThrow()
    await tx.updateTable('mailbox_states').set({ compare_seq: last_seq, compared_number: 0 }).execute()
  })
  const account = await world.logIn()
  const drafts = await account.open('Drafts')
  expect(drafts.latest().uids).toHaveLength(COUNT)
  const uids = [...Array.from(drafts.latest().uids)]
  const signal = new AbortController().signal
  expect(await drafts.search({ key: 'text', in: 'subject', value: 'first' }, drafts.latest(), [], signal)).toEqual(uids)
  const some = uids.slice(0, 300)
  await drafts.storeFlags(some, { how: 'add', flags: ['\\Flagged'] })
  const flagged = await drafts.refresh()
  expect(flagged.flags.filter((flags) => flags.includes('\\Flagged'))).toHaveLength(some.length)

  // One draft is changed, one is new: all others stay as they are.
  const { uid } = (await account.append(
    'Drafts',
    appendedMail('Message-ID: <first@x.test>\nSubject: second\n\ntwo\n'),
  ))!
  await drafts.refresh()
  expect(flagged.next).toMatchObject({ vanished: [1], appendedCount: 1, changed: [] })
  expect(uid).toBe(COUNT + 1)
  const page = await world.node.drafts.list(actor, { inbox: inboxId }, {}, {}, MEMORY)
  const [listed] = page.items
  await world.node.drafts.delete(actor, inboxId, listed!.id)
  expect((await drafts.refresh()).uids).toHaveLength(COUNT - 1)
  await drafts.storeFlags(some, { how: 'add', flags: ['\\Deleted'] })
  await drafts.expunge()
  const left = await drafts.refresh()
  expect(Array.from(left.uids).filter((uid) => some.includes(uid))).toEqual([])
  expect(left.uids.length).toBeGreaterThan(COUNT - some.length - 2)
})

/** The id of a copy, as SQL: it ends with the number of the copy. */
function copiedId(id: string): string {
  return `'${id.slice(0, 24)}' || cast(100000000000 + number as text)`
}

/**
 * Inserts COUNT - 1 copies of a row.
 *
 * @param own the columns that differ, as SQL
 */
async function insertCopies(tx: Tx, table: string, row: { readonly id: string }, own: Record<string, string>) {
  const columns = Object.keys(row)
  const values = columns.map((name) => own[name] ?? `${table}.${name}`)
  const statement = `insert into ${table} (${columns.join(', ')})
    with recursive numbers (number) as (select 1 union all select number + 1 from numbers where number < ${COUNT - 1})
    select ${values.join(', ')} from ${table}, numbers where ${table}.id = '${row.id}'`
  await sql.raw(statement).execute(asKysely(tx))
}

const MEMORY = { freeBytes: 1_000_000, reserve: async () => false, nextTurn: async () => undefined }
