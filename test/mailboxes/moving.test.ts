/** Tests which mailboxes show a message, and what COPY, MOVE and EXPUNGE do to its labels: the tables of docs/adr/0069. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MailAccount } from '../../src/edges/imap/session/mail-store.ts'
import { createProjection } from '../../src/mail/mailboxes/projection/mailbox-projection.ts'
import { labelsOf } from '../../src/store/tables/messages-table.ts'
import { type MailboxWorld, startMailboxes } from './mailbox-world.ts'

let world: MailboxWorld
let account: MailAccount

beforeAll(async () => {
  world = await startMailboxes()
  account = await world.logIn()
  for (const name of ['Work', 'Work/2026', 'Play']) await account.create(name)
})

afterAll(() => world[Symbol.asyncDispose]())

async function labels(id: string): Promise<string> {
  return ((await labelsOf(world.store.db, [id])).get(id) ?? []).filter((label) => label !== 'received').join(' ')
}

/** Returns the mailboxes that show a message. */
async function placesOf(id: string): Promise<string> {
  const places: string[] = []
  for (const { name, isSelectable } of await account.list()) {
    if (!isSelectable) continue
    const mailbox = await account.open(name)
    const uids = [...Array.from(mailbox.latest().uids)]
    for await (const batch of mailbox.fetch(uids, { ids: true }, new AbortController().signal)) {
      if (batch.some(({ emailId }) => emailId === id)) places.push(name)
    }
    mailbox.close()
  }
  return places.join(' ')
}

async function uidOf(name: string, id: string): Promise<number> {
  const mailbox = await account.open(name)
  const uids = [...Array.from(mailbox.latest().uids)]
  try {
    for await (const batch of mailbox.fetch(uids, { ids: true }, new AbortController().signal)) {
      const found = batch.find(({ emailId }) => emailId === id)
      if (found) return found.uid
    }
  } finally {
    mailbox.close()
  }
  throw new Error(`${name} does not have the message`)
}

test('the mailboxes of a message follow from its labels', () => {
  const fixed = ['inbox', 'sent', 'drafts', 'trash', 'archive', 'spam'] as const
  const projection = createProjection([
    ...fixed.map((kind) => ({ id: kind, kind, label: null, renamed_from: null })),
    { id: 'w', kind: 'label', label: 'work', renamed_from: null },
    { id: 'p', kind: 'label', label: 'play', renamed_from: 'fun' },
  ])
  const table: [string, string][] = [
    ['received unread', 'inbox'],
    ['received sent', 'inbox sent'],
    ['sent delivered', 'sent'],
    ['sent archived', 'archive'],
    ['received work', 'w'],
    ['received work play archived', 'w p archive'],
    ['received fun', 'p'],
    ['received spam', 'spam'],
    ['received blocked work', 'spam'],
    ['received unauthenticated archived', 'spam'],
    ['received trash spam work', 'trash'],
    ['received other', 'inbox'],
    ['unread', ''],
  ]
  for (const [labels, mailboxes] of table) {
    expect([labels, projection.mailboxesOf(labels.split(' ')).toSorted()]).toEqual([
      labels,
      mailboxes.split(' ').filter(Boolean).sort(),
    ])
  }
  expect(projection.flagsOf(['received', 'replied', 'flagged', 'work', 'a b', 'ü', '$mdnsent', 'todo'])).toBe(
    '$MDNSent \\Answered \\Flagged \\Seen todo',
  )
  expect(projection.flagsOf(['received', 'unread', 'delivered', 'archived'])).toBe('')
})

const moves: [how: 'copy' | 'move', before: string, from: string, to: string, after: string, places: string][] = [
  ['copy', 'unread', 'INBOX', 'Work', 'unread work', 'Work'],
  ['move', 'unread', 'INBOX', 'Archive', 'archived unread', 'Archive'],
  ['copy', 'unread', 'INBOX', 'Trash', 'trash unread', 'Trash'],
  ['copy', 'unread', 'INBOX', 'Spam', 'spam unread', 'Spam'],
  ['copy', 'work', 'Work', 'Play', 'play work', 'Play Work'],
  ['move', 'work', 'Work', 'Play', 'play', 'Play'],
  ['copy', 'archived', 'Archive', 'Play', 'archived play', 'Archive Play'],
  ['move', 'archived', 'Archive', 'Play', 'play', 'Play'],
  ['copy', 'play work', 'Work', 'INBOX', '', 'INBOX'],
  ['copy', 'play work', 'Work', 'Archive', 'archived', 'Archive'],
  ['move', 'spam unauthenticated', 'Spam', 'INBOX', '', 'INBOX'],
  ['move', 'blocked', 'Spam', 'Work', 'work', 'Work'],
  ['move', 'spam trash work', 'Trash', 'INBOX', '', 'INBOX'],
  ['move', 'trash archived play', 'Trash', 'Work', 'work', 'Work'],
  ['copy', 'spam work play', 'Spam', 'Work', 'work', 'Work'],
  ['move', 'trash unauthenticated', 'Trash', 'Spam', 'unauthenticated', 'Spam'],
  ['move', 'work/2026', 'Work/2026', 'Work', 'work', 'Work'],
  ['copy', 'unread', 'INBOX', 'INBOX', 'unread', 'INBOX'],
]

test.each(moves)(
  '%s of a message with "%s" from %s to %s leaves "%s"',
  async (how, before, from, to, after, places) => {
    const hidden = before.split(' ').filter((label) => ['spam', 'blocked', 'unauthenticated'].includes(label))
    const id = await world.receive({ labels: hidden as [] })
    const own = before.split(' ').filter((label) => label !== '' && !hidden.includes(label))
    const change = { add: own, remove: before.includes('unread') ? [] : ['unread'] }
    if (change.add.length + change.remove.length > 0)
      await world.node.labels.change(world.actor, world.inboxId, [id], change)
    const mailbox = await account.open(from)
    const uid = await uidOf(from, id)
    const { to: uids, uidValidity } = await mailbox[how]([uid, 4_000_000], to)
    expect(await labels(id)).toBe(after)
    expect(await placesOf(id)).toBe(places)
    expect(uids).toEqual([await uidOf(to, id)])
    const target = await account.open(to)
    expect(uidValidity).toBe(target.uidValidity)
  },
)

const removals: [before: string, from: string, after: string | undefined][] = [
  ['', 'INBOX', 'trash'],
  ['work', 'Work', ''],
  ['archived', 'Archive', 'archived trash'],
  ['archived work', 'Archive', 'work'],
  ['spam', 'Spam', 'spam trash'],
  ['trash', 'Trash', undefined],
]

test.each(removals)('EXPUNGE of a message with "%s" from %s leaves "%s"', async (before, from, after) => {
  const id = await world.receive()
  const change = { add: before.split(' ').filter(Boolean), remove: ['unread'] }
  await world.node.labels.change(world.actor, world.inboxId, [id], change)
  const mailbox = await account.open(from)
  const uid = await uidOf(from, id)
  await mailbox.storeFlags([uid], { how: 'add', flags: ['\\Deleted'] })
  const since = mailbox.latest().highestModseq
  await mailbox.expunge([uid, 4_000_000])
  expect(Array.from((await mailbox.refresh()).uids)).not.toContain(uid)
  expect(await mailbox.vanishedSince(since, [{ first: 1, last: 10_000 }])).toContainEqual({ first: uid, last: uid })
  expect(await mailbox.vanishedSince(since, [{ first: uid + 1, last: 10_000 }])).toEqual([])
  expect(await labels(id)).toBe(after ?? '')
  expect((await placesOf(id)) === '').toBe(after === undefined)
})

test('what cannot be moved is refused, and nothing changes', async () => {
  const id = await world.receive()
  const inbox = await account.open('INBOX')
  const uid = await uidOf('INBOX', id)
  await expect(inbox.move([uid], 'Sent')).rejects.toMatchObject({ code: 'CANNOT' })
  await expect(inbox.move([uid], 'Drafts')).rejects.toMatchObject({ code: 'CANNOT' })
  await expect(inbox.move([uid], 'Nowhere')).rejects.toMatchObject({ code: 'TRYCREATE' })
  await expect(inbox.storeFlags([uid], { how: 'add', flags: ['sent'] })).rejects.toMatchObject({ code: 'CANNOT' })
  await expect(inbox.storeFlags([uid], { how: 'add', flags: ['WORK'] })).rejects.toMatchObject({ code: 'CANNOT' })
  expect(await placesOf(id)).toBe('INBOX')
})

test('a mailbox is a label: names in use are refused, and RENAME and DELETE change the messages', async () => {
  for (const name of ['trash', 'Sent', 'spam', 'archived', 'delivered', 'WORK', 'Inbox', 'unread', 'flagged']) {
    await expect(account.create(name), name).rejects.toMatchObject({ code: 'ALREADYEXISTS' })
  }
  for (const name of ['', 'a//b', '/a', 'a%', 'x'.repeat(300), 'a\nb']) {
    await expect(account.create(name), name).rejects.toMatchObject({ code: 'CANNOT' })
  }
  const ids = await Promise.all([world.receive(), world.receive(), world.receive()])
  await world.node.labels.change(world.actor, world.inboxId, ids, { add: ['old/deep'] })
  await world.node.labels.change(world.actor, world.inboxId, [ids[1]!], { add: ['play'] })
  await world.node.labels.change(world.actor, world.inboxId, [ids[2]!], { add: ['trash'] })
  expect(await placesOf(ids[0]!)).toBe('INBOX')
  await account.create('Old/Deep')
  expect(await placesOf(ids[0]!)).toBe('Old/Deep')
  expect((await account.list()).filter(({ name }) => name.startsWith('Old'))).toMatchObject([
    { name: 'Old', isSelectable: false },
    { name: 'Old/Deep', isSelectable: true },
  ])
  const opened = await account.open('Old/Deep')
  const uids = Array.from(opened.latest().uids)
  await account.rename('Old/Deep', 'New')
  expect(await labels(ids[0]!)).toBe('new unread')
  expect(await labels(ids[2]!)).toBe('new trash unread')
  expect(Array.from((await opened.refresh()).uids)).toEqual(uids)
  const renamed = await account.open('New')
  expect(renamed.mailboxId).toBe(opened.mailboxId)

  await account.delete('New')
  expect(Array.from((await opened.refresh()).uids)).toEqual([])
  expect(await Promise.all(ids.map(labels))).toEqual(['trash unread', 'play unread', 'trash unread'])
  await expect(account.open('New')).rejects.toMatchObject({ code: 'NONEXISTENT' })
  await account.create('New')
  expect((await account.open('New')).uidValidity).toBeGreaterThan(renamed.uidValidity)
  await expect(account.rename('INBOX', 'Else')).rejects.toMatchObject({ code: 'CANNOT' })
  await expect(account.delete('Trash')).rejects.toMatchObject({ code: 'CANNOT' })
  await expect(account.delete('Nowhere')).rejects.toMatchObject({ code: 'NONEXISTENT' })
  await account.setSubscribed('New', true)
  await account.setSubscribed('Nowhere', false)
  expect((await account.list()).find(({ name }) => name === 'New')?.isSubscribed).toBe(true)
})

test('a login sees and changes only what its key may', async () => {
  const id = await world.receive({ labels: ['unauthenticated'] })
  await world.node.labels.change(world.actor, world.inboxId, [id], { add: ['trash'] })
  const reader = await world.logIn(['message_read'])
  expect((await reader.list()).map(({ name }) => name)).not.toContain('Trash')
  const names = ['Trash', 'Spam', 'Drafts']
  for (const name of names) await expect(reader.open(name)).rejects.toMatchObject({ code: 'NONEXISTENT' })
  const inbox = await reader.open('INBOX')
  expect([inbox.isReadOnly, inbox.permanentFlags, inbox.mayAddKeywords]).toEqual([true, [], false])
  await expect(inbox.storeFlags([1], { how: 'add', flags: ['\\Seen'] })).rejects.toMatchObject({ code: 'NOPERM' })
  await expect(reader.create('Mine')).rejects.toMatchObject({ code: 'NOPERM' })

  const partial = await world.logIn(['message_read', 'message_update', 'label_trash_read'])
  const trash = await partial.open('Trash')
  const uid = await uidOf('Trash', id)
  expect(Array.from(trash.latest().uids)).not.toContain(uid)
  for await (const batch of trash.fetch([uid], { ids: true }, new AbortController().signal)) expect(batch).toEqual([])
  // In Trash the message loses its class, and appears for this login: under a UID that is higher than all that it has seen.
  const all = await account.open('Trash')
  await world.node.labels.setArchived(world.actor, world.inboxId, id, true)
  const before = all.latest().uids[all.latest().uids.length - 1]!
  const { store } = world
  await store.transaction(async (tx) => {
    const row = await tx.selectFrom('messages').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
    const { changeLabels } = await import('../../src/mail/messages/labels/labels.ts')
    await changeLabels(tx, 'system:test', row, world.address, { remove: ['unauthenticated'] })
  })
  const shown = Array.from((await trash.refresh()).uids)
  expect(shown.at(-1)).toBeGreaterThan(before)
  await trash.storeFlags(shown, { how: 'add', flags: ['\\Deleted'] })
  await expect(trash.expunge()).rejects.toMatchObject({ code: 'NOPERM' })
})
