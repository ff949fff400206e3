/** Tests APPEND: a message that a mail program adds. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { MailAccount } from '../../src/edges/imap/session/mail-store.ts'
import type { Store } from '../../src/store/store.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { labelsOf } from '../../src/store/tables/messages-table.ts'
import { append, appendedMail as appended, type MailboxWorld, startMailboxes, startNode } from './mailbox-world.ts'

let world: MailboxWorld
let account: MailAccount

beforeAll(async () => {
  world = await startMailboxes()
  account = await world.logIn()
  await account.create('Work')
})

afterAll(() => world[Symbol.asyncDispose]())

const mail = (id: string) => `From: Bob <bob@x.test>\nMessage-ID: <${id}@x.test>\nSubject: ${id}\n\nhello\n`

async function fetchOne(name: string, uid: number) {
  const mailbox = await account.open(name)
  const index = Array.from(mailbox.latest().uids).indexOf(uid)
  const flags = mailbox.latest().flags[index]
  const wanted = { ids: true, internalDate: true, saveDate: true, source: 'whole' } as const
  for await (const [message] of mailbox.fetch([uid], wanted, new AbortController().signal)) {
    mailbox.close()
    return { ...message!, flags, labels: (await labelsOf(world.store.db, [message!.emailId!])).get(message!.emailId!) }
  }
  throw new Error('it is not there')
}

test.each([
  ['INBOX', ['received', 'unread']],
  ['Work', ['received', 'unread', 'work']],
  ['Archive', ['archived', 'received', 'unread']],
  ['Trash', ['received', 'trash', 'unread']],
  ['Spam', ['received', 'spam', 'unread']],
  ['Sent', ['sent', 'unread']],
])('a message that is appended to %s has the labels %s', async (name, labels) => {
  const { uid, uidValidity } = await append(account, name, appended(mail(`to-${name}`)))
  const message = await fetchOne(name, uid)
  expect(message.labels).toEqual(labels)
  expect((await account.status(name)).uidValidity).toBe(uidValidity)
  expect(message.source!.bytes!.toString()).toBe(mail(`to-${name}`).replaceAll('\n', '\r\n'))
})

test('APPEND stores flags and date, makes a new message each time, and appends an event of its own', async () => {
  const internalDate = Date.UTC(2001, 1, 3)
  const flags = [
    '\\Seen',
    '\\Flagged',
    '\\Answered',
    '\\Deleted',
    '\\Recent',
    '\\Draft',
    '$MDNSent',
    'Mine',
    'sent',
    'work',
  ]
  const first = await append(account, 'INBOX', appended(mail('twice'), { flags, internalDate }))
  const second = await append(account, 'INBOX', appended(mail('twice')))
  expect(second.uid).toBeGreaterThan(first.uid)
  const message = await fetchOne('INBOX', first.uid)
  expect(message.flags).toEqual(['$MDNSent', '\\Answered', '\\Deleted', '\\Flagged', '\\Seen', 'mine'])
  expect(message.internalDate).toBe(internalDate)
  expect(message.saveDate).toBeGreaterThan(Date.now() - 60_000)
  expect(message.emailId).not.toBe((await fetchOne('INBOX', second.uid)).emailId)
  const events = await world.store.db
    .selectFrom('events')
    .select(['type', 'visibility'])
    .where('message_id', '=', message.emailId!)
    .execute()
  expect(events).toEqual([{ type: 'message.appended', visibility: 'optional' }])
  const row = await world.store.db
    .selectFrom('messages')
    .selectAll()
    .where('id', '=', message.emailId!)
    .executeTakeFirstOrThrow()
  expect([row.verified_domain, row.authentication]).toEqual([null, '{"result":"unauthenticated"}'])
})

test('in Sent, APPEND meets the message that the inbox has sent', async () => {
  const first = await append(account, 'Sent', appended(mail('copy'), { flags: ['\\Seen'] }))
  const second = await append(account, 'Sent', appended(`Bcc: eve@x.test\n${mail('copy')}`, { flags: ['\\Seen'] }))
  expect(second).toEqual(first)
  await (await account.open('Sent')).move([first.uid], 'Trash')
  expect((await append(account, 'Sent', appended(mail('copy')))).uid).toBeGreaterThan(first.uid)
})

test('a message that another client moves at once is stored: APPEND succeeds without a UID', async () => {
  // It answered NO, so that mail programs appended the message a second time.
  const { store, inboxId, actor } = world
  let afterCommit: (() => Promise<unknown>) | undefined
  const thenAct = async <Result>(committed: Promise<Result>): Promise<Result> => {
    const result = await committed
    const act = afterCommit
    afterCommit = undefined
    await act?.()
    return result
  }
  const hooked: Store = Object.create(store, {
    transaction: { value: (...args: Parameters<Store['transaction']>) => thenAct(store.transaction(...args)) },
    batched: {
      value(batch: Parameters<Store['batched']>[0]) {
        const file = store.batched(batch)
        return (...args: Parameters<typeof file>) => thenAct(file(...args))
      },
    },
  })
  const node = await startNode(hooked, withLimits({ access: { failedLoginDelayMs: 0 } }))
  try {
    const racing = await world.logIn(undefined, node)
    // The inbox has it already, so that its UID is read after the transaction.
    const again = () => racing.append('Sent', appended(mail('again'), { flags: ['\\Seen'] }))
    expect(await again()).toBeDefined()
    const before = await racing.status('Trash')
    afterCommit = async () => {
      const { id } = await store.db
        .selectFrom('messages')
        .select('id')
        .where('inbox_id', '=', inboxId)
        .orderBy('number', 'desc')
        .executeTakeFirstOrThrow()
      await node.labels.change(actor, inboxId, [id], { add: ['trash'] })
    }
    expect(await again()).toBeUndefined()
    expect((await racing.status('Trash')).messages).toBe(before.messages + 1)
    // The UID cannot be read.
    expect(await again()).toBeDefined()
    afterCommit = async () => {
      afterCommit = async () => {
        throw new Error('the database is away')
      }
    }
    expect(await again()).toBeUndefined()
  } finally {
    await node.feed.stop()
  }
})

test('a message of exactly the size limit is appended, and one with a byte more is refused, whatever size was announced', async () => {
  const sized = (bytes: number, sizeBytes = bytes) => {
    const head = mail('sized')
    const headBytes = head.replaceAll('\n', '\r\n').length
    return appended(`${head}${'x'.repeat(bytes - headBytes)}`, { sizeBytes })
  }
  await append(account, 'Work', sized(100_000))
  for (const message of [sized(100_001), sized(100_001, 100_000), sized(100_000, 100_001)])
    await expect(account.append('Work', message)).rejects.toMatchObject({ code: 'TOOBIG' })
})

test('a mailbox that does not exist, a message that is too large, and a full inbox refuse APPEND', async () => {
  await expect(account.append('Nowhere', appended(mail('x')))).rejects.toMatchObject({ code: 'TRYCREATE' })
  const large = appended(mail('x'), { sizeBytes: 100_001 })
  await expect(account.append('INBOX', large)).rejects.toMatchObject({ code: 'TOOBIG' })
  const lied = appended(`${mail('x')}${'x'.repeat(100_000)}`, { sizeBytes: 10 })
  await expect(account.append('INBOX', lied)).rejects.toMatchObject({ code: 'TOOBIG' })
  const reader = await world.logIn(['message_read'])
  await expect(reader.append('INBOX', appended(mail('x')))).rejects.toMatchObject({ code: 'NOPERM' })

  const { size_bytes } = (await inboxes.getById(world.store.db, world.inboxId))!
  const { store, inboxId } = world
  await store.transaction((tx) => inboxes.update(tx, inboxId, { quota_bytes: size_bytes + 10 }))
  expect((await account.quota()).storage).toEqual({ usedBytes: size_bytes, maxBytes: size_bytes + 10 })
  await expect(account.append('INBOX', appended(mail('x')))).rejects.toMatchObject({ code: 'OVERQUOTA' })
})
