/** RENAME at its corners: names that overlap, and messages that arrive in a mailbox while it gets another name. */
import { expect, test } from 'vitest'
import * as mailboxesTable from '../../src/store/tables/mailboxes-table.ts'
import * as messages from '../../src/store/tables/messages-table.ts'
import { appendedMail, type MailboxWorld, startMailboxes } from './mailbox-world.ts'

async function labelsOf(world: MailboxWorld, id: string): Promise<readonly string[]> {
  return (await messages.labelsOf(world.store.db, [id])).get(id) ?? []
}

test.each([
  { from: 'a', to: 'a/b', names: ['a', 'a/b'] },
  { from: 'a/a', to: 'a', names: ['a/a', 'a/a/a', 'a/a/a/a'] },
])('RENAME of $from to $to, of $names, is refused: their messages would be mixed', async ({ from, to, names }) => {
  await using world = await startMailboxes()
  const account = await world.logIn()
  for (const name of names) await account.create(name)
  const ids: string[] = []
  for (const name of names) {
    const id = await world.receive()
    ids.push(id)
    await world.node.labels.change(world.actor, world.inboxId, [id], { add: [name] })
  }
  await expect(account.rename(from, to)).rejects.toMatchObject({ code: 'ALREADYEXISTS' })
  for (const [index, name] of names.entries()) expect(await labelsOf(world, ids[index]!)).toContain(name)
  expect((await account.status(names[0]!)).messages).toBe(1)
})

test('a message that is moved, appended or removed while its mailbox is renamed', async () => {
  await using world = await startMailboxes()
  const account = await world.logIn()
  for (const name of ['old', 'other']) await account.create(name)
  const [kept, moved, removed] = [await world.receive(), await world.receive(), await world.receive()]
  await world.node.labels.change(world.actor, world.inboxId, [kept, removed], { add: ['old'] })
  const movedAway = await world.receive()
  await world.node.labels.change(world.actor, world.inboxId, [movedAway], { add: ['old'] })
  const [inbox, source] = [await account.open('INBOX'), await account.open('old')]
  await account.append('old', { ...appendedMail('Subject: appended\n\nx\n'), data: data() })
  await inbox.move(Array.from(inbox.latest().uids), 'new')
  await source.storeFlags([2], { how: 'add', flags: ['\\Deleted'] })
  await source.expunge([2])
  await source.move([3], 'other')
  await account.list()
  const renamed = await account.open('new')
  expect(renamed.latest().uids).toHaveLength(3) // kept, appended, moved
  expect(await labelsOf(world, moved)).not.toContain('old')
  expect(await labelsOf(world, kept)).toEqual(['new', 'received', 'unread'])
  expect(await labelsOf(world, removed)).toEqual(['received', 'unread'])
  expect(await labelsOf(world, movedAway)).toEqual(['other', 'received', 'unread'])

  /** Begins a rename as another node does, which has not changed the labels of messages yet. */
  async function* data() {
    const rows = await mailboxesTable.listByInbox(world.store.db, world.inboxId)
    const { id } = rows.find(({ name }) => name === 'old')!
    await world.store.transaction((tx) =>
      mailboxesTable.update(tx, id, { name: 'new', label: 'new', renamed_from: 'old' }),
    )
    yield Buffer.from('Subject: appended\r\n\r\nx\r\n')
  }
})

test('a session removes and moves messages of a mailbox that another one has renamed', async () => {
  await using world = await startMailboxes()
  const account = await world.logIn()
  await account.create('old')
  await account.create('other')
  const [removed, moved] = [await world.receive(), await world.receive()]
  await world.node.labels.change(world.actor, world.inboxId, [removed, moved], { add: ['old'] })
  const open = await account.open('old')
  const [first, second] = Array.from(open.latest().uids)
  await (await world.logIn()).rename('old', 'new')
  await open.storeFlags([first!], { how: 'add', flags: ['\\Deleted'] })
  await open.expunge()
  await open.move([second!], 'other')
  expect(Array.from((await open.refresh()).uids)).toEqual([])
  expect(await labelsOf(world, removed)).toEqual(['received', 'unread'])
  expect(await labelsOf(world, moved)).toEqual(['other', 'received', 'unread'])
})
