/** STORE of many messages changes their labels with few statements: counters and events are as after one change per message. */
import { expect, test } from 'vitest'
import { startMailboxes } from './mailbox-world.ts'

const MESSAGES = 12

test.each([
  { limits: {}, portions: [4, 4, 4] },
  { limits: { refreshesMax: 2 }, portions: [6, 6] },
])(
  'a long STORE is shown to other sessions in portions of $portions, while it continues',
  async ({ limits, portions }) => {
    await using world = await startMailboxes({ mailboxes: { changeMessages: 2, refreshMessages: 4, ...limits } })
    const [account, other] = [await world.logIn(), await world.logIn()]
    for (let index = 0; index < MESSAGES; index++) await world.receive({ subject: `${index}` })
    const [mailbox, shown] = [await account.open('INBOX'), await other.open('INBOX')]
    const before = shown.latest()
    await mailbox.storeFlags(Array.from(before.uids), { how: 'add', flags: ['\\Seen'] })
    await mailbox.refresh()
    const changed: number[] = []
    for (let step = before.next; step; step = step.snapshot.next) changed.push(step.changed.length)
    expect(changed).toEqual(portions)
    for (const each of [mailbox, shown]) each.close()
  },
)

test('after STORE of many messages, the counters of threads and inbox fit the labels, and each change has its event', async () => {
  await using world = await startMailboxes({ mailboxes: { changeMessages: 5 } })
  const { db } = world.store
  const account = await world.logIn()
  for (let index = 0; index < MESSAGES; index++) await world.receive({ subject: `${index}` })
  // All but two are one thread, so that several changes add to the same counters.
  const [first, ...others] = await db.selectFrom('messages').select(['id', 'thread_id']).orderBy('number').execute()
  const joined = others.slice(2).map(({ id }) => id)
  await world.store.transaction((tx) =>
    tx.updateTable('messages').set({ thread_id: first!.thread_id }).where('id', 'in', joined).execute(),
  )
  await world.store.transaction(async (tx) => {
    await tx.deleteFrom('thread_labels').execute()
    for (const { thread_id, label, count } of await countLabels()) {
      await tx
        .insertInto('thread_labels')
        .values({ thread_id, label, message_count: Number(count) })
        .execute()
    }
  })
  const mailbox = await account.open('INBOX')
  const all = Array.from(mailbox.latest().uids)
  await mailbox.storeFlags(all.slice(0, 8), { how: 'add', flags: ['\\Seen', 'Mine'] })
  await mailbox.storeFlags(all, { how: 'replace', flags: ['\\Flagged'] })
  await mailbox.storeFlags(all.slice(3), { how: 'add', flags: ['\\Seen', '\\Flagged'] })
  const flags = (await mailbox.refresh()).flags.map((set) => set.join(' '))
  expect(flags).toEqual(all.map((_uid, index) => (index < 3 ? '\\Flagged' : '\\Flagged \\Seen')))
  mailbox.close()

  const stored = await db.selectFrom('thread_labels').selectAll().execute()
  const key = (row: { thread_id: string; label: string; count: unknown }) =>
    `${row.thread_id} ${row.label} ${Number(row.count)}`
  expect(stored.map((row) => key({ ...row, count: row.message_count })).toSorted()).toEqual(
    (await countLabels()).map(key).toSorted(),
  )
  const inbox = await db.selectFrom('inboxes').selectAll().where('id', '=', world.inboxId).executeTakeFirstOrThrow()
  expect([inbox.unread_count, inbox.unread_shown_count]).toEqual([3, 3])
  const events = await db.selectFrom('events').select(['type', 'payload']).where('type', 'like', 'label.%').execute()
  const changes = events.map(({ type, payload }) => `${type} ${(JSON.parse(payload) as { label: string }).label}`)
  const counted = Object.fromEntries(
    [...new Set(changes)].map((each) => [each, changes.filter((x) => x === each).length]),
  )
  expect(counted).toEqual({
    ...{ 'label.removed unread': 8 + 9, 'label.added mine': 8, 'label.removed mine': 8 },
    ...{ 'label.added flagged': MESSAGES, 'label.added unread': 8 },
  })

  function countLabels() {
    return db
      .selectFrom('message_labels')
      .innerJoin('messages', 'messages.id', 'message_labels.message_id')
      .select((eb) => ['messages.thread_id', 'message_labels.label', eb.fn.countAll<number>().as('count')])
      .groupBy(['messages.thread_id', 'message_labels.label'])
      .execute()
  }
})
