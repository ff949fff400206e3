/** Tests mailboxes through the interface that IMAP's sessions use. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { FetchedMessage, OpenMailbox, WantedItems } from '../../src/edges/imap/session/mail-store.ts'
import { createLog } from '../../src/log.ts'
import { FlagSets } from '../../src/mail/mailboxes/views/flag-sets.ts'
import { createMailReader } from '../../src/mail/messages/content/mail-reader.ts'
import { countStatements } from '../store/count-statements.ts'
import { rejection } from '../store/test-store.ts'
import { appendedMail, startMailboxes, startNode } from './mailbox-world.ts'

const never = new AbortController().signal

async function fetchAll(mailbox: OpenMailbox, wanted: WantedItems): Promise<FetchedMessage[]> {
  const found: FetchedMessage[] = []
  const uids = [...Array.from(mailbox.latest().uids)]
  for await (const batch of mailbox.fetch(uids, wanted, never)) found.push(...batch)
  return found
}

test('a received message is in INBOX, unseen, and a flag that is stored is a label', async () => {
  await using world = await startMailboxes()
  const first = await world.receive({ subject: 'one' })
  const account = await world.logIn()
  expect((await account.list()).map(({ name, specialUse }) => [name, specialUse])).toEqual([
    ['INBOX', undefined],
    ['Archive', '\\Archive'],
    ['Drafts', '\\Drafts'],
    ['Sent', '\\Sent'],
    ['Spam', '\\Junk'],
    ['Trash', '\\Trash'],
  ])
  const inbox = await account.open('inbox')
  expect(Array.from(inbox.latest().uids)).toEqual([1])
  expect(inbox.latest().flags).toEqual([[]])

  const before = inbox.latest()
  await world.receive({ subject: 'two' })
  const after = await inbox.refresh()
  expect(before.next).toMatchObject({ vanished: [], changed: [], appendedCount: 1 })
  expect(before.next!.snapshot).toBe(after)
  expect(Array.from(after.uids)).toEqual([1, 2])
  expect(after.uidNext).toBe(3)

  await inbox.storeFlags([1], { how: 'add', flags: ['\\Seen', '\\Flagged', '$Forwarded', 'Work'] })
  const flagged = await inbox.refresh()
  expect(flagged.flags).toEqual([['$Forwarded', '\\Flagged', '\\Seen', 'work'], []])
  expect(after.next).toMatchObject({ changed: [1], appendedCount: 0 })
  const labels = await world.node.labels.change(world.actor, world.inboxId, [first], { remove: ['work'] })
  expect(labels[0]!.labels).toEqual(['$forwarded', 'flagged', 'received'])
  expect((await inbox.refresh()).flags[0]).toEqual(['$Forwarded', '\\Flagged', '\\Seen'])

  const [one] = await fetchAll(inbox, { envelope: true, bodyStructure: true, size: true, source: 'whole', ids: true })
  expect(one).toMatchObject({ uid: 1, emailId: first })
  expect(one!.envelope).toContain('"one"')
  expect(one!.bodyStructure).toContain('("text" "plain"')
  expect(one!.source!.bytes!.toString()).toContain('Subject: one\r\n')
  expect(one!.source!.bytes!.length).toBe(one!.sizeBytes)
  expect((await fetchAll(inbox, { envelope: true })).map(({ envelope }) => envelope?.includes('"two"'))).toEqual([
    false,
    true,
  ])
})

test('sessions that may see the same messages of a mailbox share its snapshots', async () => {
  await using world = await startMailboxes()
  await world.receive({ labels: ['unauthenticated'] })
  const [one, two] = [await (await world.logIn()).open('Spam'), await (await world.logIn()).open('Spam')]
  expect(two.latest()).toBe(one.latest())
  await world.receive({ labels: ['spam'] })
  const refreshed = await one.refresh()
  expect(await two.refresh()).toBe(refreshed)
  expect(refreshed.uids).toHaveLength(2)
  // This one may not see the first message.
  const few = await (await world.logIn(['message_read', 'label_spam_read'])).open('Spam')
  expect(Array.from(few.latest().uids)).toEqual([2])
  expect(one.latest()).toBe(refreshed)
})

test('a session that listens gets a snapshot for each change, and \\Deleted belongs to the entry', async () => {
  await using world = await startMailboxes()
  const id = await world.receive()
  const account = await world.logIn()
  const inbox = await account.open('INBOX')
  const changed = () =>
    new Promise<void>((resolve) => {
      const stop = inbox.onChange(() => {
        stop()
        resolve()
      })
    })
  const start = inbox.latest()
  let next = changed()
  await world.node.labels.change(world.actor, world.inboxId, [id], { add: ['flagged'] })
  await next
  expect(inbox.latest().flags).toEqual([['\\Flagged']])

  next = changed()
  const since = inbox.latest().highestModseq
  await inbox.storeFlags([1], { how: 'add', flags: ['\\Deleted'] })
  await next
  const marked = await inbox.refresh()
  expect(marked.flags).toEqual([['\\Deleted', '\\Flagged']])
  expect(marked.modseqs[0]).toBeGreaterThan(since)
  expect(await inbox.storeFlags([1], { how: 'add', flags: ['\\Seen'] }, since)).toEqual({ modified: [1] })

  next = changed()
  await world.node.labels.change(world.actor, world.inboxId, [id], { add: ['trash'] })
  await next
  expect(Array.from(inbox.latest().uids)).toEqual([])
  expect(inbox.latest().uidNext).toBe(2)
  const trash = await account.open('Trash')
  expect(trash.latest().flags).toEqual([['\\Flagged']])
  expect(start.next).toBeDefined()
})

// What the comparison removes: snapshot-chain.test.ts.
test('after each change, sets of flags are compared with those of all open mailboxes of the inbox', async () => {
  const sweep = vi.spyOn(FlagSets.prototype, 'sweep')
  onTestFinished(() => sweep.mockRestore())
  await using world = await startMailboxes()
  await world.receive()
  const account = await world.logIn()
  const [inbox, trash] = [await account.open('INBOX'), await account.open('Trash')]
  await inbox.storeFlags([1], { how: 'add', flags: ['\\Flagged'] })
  const { flags } = await inbox.refresh()
  expect(flags).toEqual([['\\Flagged']])
  expect(sweep.mock.lastCall![0]()).toEqual([flags, trash.latest().flags])
})

test('a mailbox for which a node has no memory is not opened; one that grows while it is open shows no new messages', async () => {
  // The limit was checked when a mailbox was opened, and never again; then all commands were refused, also those that free memory.
  await using world = await startMailboxes({ mailboxes: { openEntriesMax: 3 } })
  const account = await world.logIn()
  for (let count = 0; count < 3; count += 1) await world.receive()
  const inbox = await account.open('INBOX')
  const uids = async () => Array.from((await inbox.refresh()).uids)
  const limit = { code: 'LIMIT', message: 'There can be at most 3 messages in open mailboxes' }
  await expect(account.open('Trash')).rejects.toMatchObject(limit)
  const held = await world.receive()
  await world.receive()
  for (let again = 0; again < 2; again += 1) expect(await uids()).toEqual([1, 2, 3])
  await expect(account.open('INBOX')).rejects.toMatchObject(limit)

  await inbox.storeFlags([1, 2], { how: 'add', flags: ['\\Deleted'] })
  expect((await inbox.refresh()).flags).toEqual([['\\Deleted'], ['\\Deleted'], []])
  await inbox.expunge([1])
  expect(await uids()).toEqual([2, 3]) // there is memory for one of two
  await inbox.expunge([2])
  expect(await uids()).toEqual([3, 4, 5])
  expect(inbox.latest().flags).toEqual([[], [], []])

  await world.receive()
  expect(await uids()).toEqual([3, 4, 5])
  await world.node.labels.change(world.actor, world.inboxId, [held], { add: ['trash'] })
  expect(await uids()).toEqual([3, 5, 6])
})

test('a message that is deleted while it was held back does not raise UIDNEXT above others that still are', async () => {
  // These would get a UID below the UIDNEXT that the session has announced, and would be in its older snapshots.
  await using world = await startMailboxes({ mailboxes: { openEntriesMax: 2 } })
  const account = await world.logIn()
  await account.append('Archive', appendedMail('From: a@x.test\n\narchived\n'))
  const [inbox, archive] = [await account.open('INBOX'), await account.open('Archive')]
  await world.receive()
  const before = await inbox.refresh()
  await world.receive()
  const gone = await world.receive()
  await inbox.refresh()
  await world.node.labels.change(world.actor, world.inboxId, [gone], { add: ['trash'] })
  expect((await inbox.refresh()).uidNext).toBe(before.uidNext)
  archive.close()
  const after = await inbox.refresh()
  expect([Array.from(before.uids), Array.from(after.uids)]).toEqual([[1], [1, 2]])
  expect(after.uidNext).toBeGreaterThan(2)
})

test('messages that were held back are shown when another mailbox is closed, though nothing happens in theirs', async () => {
  await using world = await startMailboxes()
  const { counted, statements } = countStatements(world.store)
  const node = await startNode(counted, withLimits({ mailboxes: { openEntriesMax: 2 } }))
  onTestFinished(() => node.feed.stop())
  const account = await world.logIn(undefined, node)
  await account.append('Archive', appendedMail('From: a@x.test\n\narchived\n'))
  const [inbox, archive] = [await account.open('INBOX'), await account.open('Archive')]
  await world.receive()
  await world.receive()
  expect((await inbox.refresh()).uids).toHaveLength(0)
  // Each NOOP read all of them again, also if there was memory for one of two.
  const reads = () => [statements.mailbox_entries, statements.mailbox_tombstones]
  const before = reads()
  for (let again = 0; again < 3; again += 1) expect((await inbox.refresh()).uids).toHaveLength(0)
  expect(reads()).toEqual(before)
  archive.close()
  expect((await inbox.refresh()).uids).toHaveLength(2)
})

test('users of an inbox create as many mailboxes as the limit allows, with names as long as it allows', async () => {
  await using world = await startMailboxes({ mailboxes: { perInboxMax: 2, nameCharsMax: 10 } })
  const account = await world.logIn()
  await expect(account.create('n'.repeat(11))).rejects.toMatchObject({ code: 'CANNOT' })
  await account.create('n'.repeat(10))
  await account.create('two')
  await expect(account.create('three')).rejects.toMatchObject({ code: 'LIMIT' })
  await account.delete('two')
  await account.create('three')
})

test('messages that another session expunges while they are fetched are left out', async () => {
  // Their rows were listed before: they had the structure "undefined".
  await using world = await startMailboxes()
  for (let count = 0; count < 20; count += 1) await world.receive()
  const account = await world.logIn()
  const inbox = await account.open('INBOX')
  const found: FetchedMessage[] = []
  for await (const batch of inbox.fetch(Array.from(inbox.latest().uids), { bodyStructure: true }, never)) {
    if (found.length === 0) {
      const other = await account.open('INBOX')
      await other.storeFlags([19, 20], { how: 'add', flags: ['\\Deleted'] })
      await other.expunge()
      await other.refresh()
    }
    found.push(...batch)
  }
  expect(found.map(({ uid }) => uid)).toEqual(Array.from({ length: 18 }, (_, index) => index + 1))
  expect(found.filter(({ bodyStructure }) => !bodyStructure?.startsWith('("text" "plain"'))).toEqual([])
})

test('what the thread cannot read now is refused, also of a message in memory; messages without parts do not need it', async () => {
  await using world = await startMailboxes()
  const limits = withLimits({ mailboxes: { readsWaitingMax: 0 } })
  const threads = { start: () => expect.fail('nothing may wait for the thread'), end: async () => undefined }
  const node = await startNode(world.store, limits, createMailReader({ limits, threads, log: createLog('silent') }))
  onTestFinished(() => node.feed.stop())
  const lines = '\n--b\n\nx'.repeat(limits.mailboxes.structurePartsMax + 1)
  const multipart = 'Content-Type: multipart/mixed; boundary=b\n'
  const account = await world.logIn(undefined, node)
  for (const header of [multipart, 'Content-Type: text/x-patch\n', 'Subject: without a type\n'])
    await account.append('INBOX', appendedMail(`${header}\n${lines}\n`))
  const inbox = await account.open('INBOX')
  const [parts, ...others] = await fetchAll(inbox, { source: 'whole' })
  expect(parts!.source!.bytes).toBeInstanceOf(Buffer)
  expect(await rejection(parts!.source!.structure())).toMatchObject({ name: 'ImapRefusal', code: 'UNAVAILABLE' })
  for (const { source } of others) expect(await source!.structure()).toMatchObject({ headerStart: 0 })

  await account.append('Trash', appendedMail(`${multipart}\n${lines}\n`, { flags: ['\\Deleted'] }))
  const trash = await (await world.logIn()).open('Trash')
  const [waiting] = await fetchAll(trash, { source: 'whole' })
  await trash.expunge()
  expect(await rejection(waiting!.source!.structure())).toMatchObject({ name: 'ImapRefusal', code: 'NONEXISTENT' })
})
