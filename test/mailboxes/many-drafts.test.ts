/** Tests that Drafts works with thousands of drafts, and that a change of one draft reads only this one. */
import { expect, test } from 'vitest'
import { appendedMail, startMailboxes } from './mailbox-world.ts'

/** More than a statement of SQLite has parameters. */
const COUNT = 33_000

test('33,000 drafts can be opened, searched, changed and removed', async () => {
  // The labels of more drafts than a statement has parameters could not be read.
  await using world = await startMailboxes()
  const { store, inboxId, actor } = world
  const before = await world.logIn()
  await before.append('Drafts', appendedMail('Message-ID: <first@x.test>\nSubject: first\n\none\n'))
  before.close()
  await store.transaction(async (tx) => {
    const draft = await tx.selectFrom('drafts').selectAll().where('inbox_id', '=', inboxId).executeTakeFirstOrThrow()
    const revision = await tx
      .selectFrom('draft_revisions')
      .selectAll()
      .where('id', '=', draft.revision_id)
      .executeTakeFirstOrThrow()
    for (let at = 1; at < COUNT; at += 500) {
      const ids = Array.from({ length: Math.min(500, COUNT - at) }, () => [tx.newId(), tx.newId()] as const)
      await tx
        .insertInto('drafts')
        .values(ids.map(([id, revision_id]) => ({ ...draft, id, revision_id, client_id: id })))
        .execute()
      await tx
        .insertInto('draft_revisions')
        .values(ids.map(([draft_id, id]) => ({ ...revision, id, draft_id, message_id_hash: null })))
        .execute()
    }
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

const MEMORY = { freeBytes: 1_000_000, reserve: async () => false, nextTurn: async () => undefined }
