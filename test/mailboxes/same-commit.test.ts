/**
 * Changes of one message by several sessions that are stored in one commit: each sees what those before it have changed, although their events
 * have no number yet.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MailAccount, OpenMailbox } from '../../src/edges/imap/session/mail-store.ts'
import * as apiKeys from '../../src/store/tables/api-keys-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { deferred } from '../store/test-store.ts'
import { append, appendedMail, type MailboxWorld, startMailboxes } from './mailbox-world.ts'

const SESSIONS = 6

let world: MailboxWorld
let account: MailAccount

beforeAll(async () => {
  world = await startMailboxes()
  account = await world.logIn()
  for (const name of ['One', 'Two']) await account.create(name)
})

afterAll(() => world[Symbol.asyncDispose]())

async function openAll(name: string): Promise<OpenMailbox[]> {
  return Promise.all(Array.from({ length: SESSIONS }, () => account.open(name)))
}

test.each([
  ['a keyword', (session: number) => [`mine${session}`]],
  ['\\Deleted', () => ['\\Deleted']],
])('of several STOREs with UNCHANGEDSINCE, one stores %s', async (_what, flagsOf) => {
  await world.receive()
  const mailboxes = await openAll('INBOX')
  const { uids, modseqs } = await mailboxes[0]!.refresh()
  const last = uids.length - 1
  const uid = uids[last]!
  const modseq = modseqs[last]!
  const results = await Promise.all(
    mailboxes.map((mailbox, index) => mailbox.storeFlags([uid], { how: 'add', flags: flagsOf(index) }, modseq)),
  )
  expect(results.filter(({ modified }) => modified.length === 0)).toHaveLength(1)
  const after = await mailboxes[0]!.refresh()
  expect(after.flags[last]).toHaveLength(1)
  expect(after.modseqs[last]).toBeGreaterThan(modseq)
  expect(after.modseqs[last]).toBeLessThanOrEqual(after.highestModseq)
  for (const mailbox of mailboxes) mailbox.close()
})

test('a message that a client of REST takes out of Trash is not deleted by an EXPUNGE', async () => {
  const { node, actor, inboxId } = world
  const ids: string[] = []
  for (let index = 0; index < SESSIONS; index++) ids.push(await world.receive())
  await node.labels.change(actor, inboxId, ids, { add: ['trash'] })
  const trash = await account.open('Trash')
  const uids = Array.from(trash.latest().uids)
  await trash.storeFlags(uids, { how: 'add', flags: ['\\Deleted'] })
  await trash.refresh()
  const expunging = uids.map((uid) => trash.expunge([uid]))
  const rescues = await Promise.allSettled(
    ids.map((id) => node.labels.change(actor, inboxId, [id], { remove: ['trash'] })),
  )
  await Promise.all(expunging)
  const stored = await world.store.db.selectFrom('messages').select('id').where('id', 'in', ids).execute()
  expect(stored.map((row) => row.id).toSorted()).toEqual(
    ids.filter((_id, index) => rescues[index]!.status === 'fulfilled'),
  )
  trash.close()
})

test('a message that two sessions move is in one of the mailboxes', async () => {
  await world.receive()
  const one = await account.open('INBOX')
  const two = await account.open('INBOX')
  const { uids } = one.latest()
  const uid = uids[uids.length - 1]!
  const before = await countsOf()
  await Promise.all([one.move([uid], 'One'), two.move([uid], 'Two')])
  expect(await countsOf()).toBe(before + 1)
  one.close()
  two.close()

  async function countsOf(): Promise<number> {
    return (await account.status('One')).messages + (await account.status('Two')).messages
  }
})

test('of APPENDs that arrive together, those that do not fit or are not permitted fail alone', async () => {
  const { store, inboxId } = world
  const { message_count } = (await inboxes.getById(store.db, inboxId))!
  await store.transaction((tx) => inboxes.update(tx, inboxId, { quota_messages: message_count + 3 }))
  await account.create('Gone')
  const mail = (subject: string) => appendedMail(`From: Bob <bob@x.test>\nSubject: ${subject}\n\nhello\n`)
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.from('Subject: broken\r\n')
    throw new Error('the connection was cut')
  }
  const reader = await world.logIn(['message_read'])
  const results = await Promise.allSettled([
    account.append('One', { ...mail('broken'), data: broken() }),
    ...Array.from({ length: 6 }, (_, index) => account.append('One', mail(`${index}`))),
    reader.append('One', mail('reader')),
    account.delete('Gone'),
    account.append('Gone', mail('gone')),
  ])
  await store.transaction((tx) => inboxes.update(tx, inboxId, { quota_messages: null }))
  const box = await account.open('One')
  const stored = results.flatMap((result) => (result.status === 'fulfilled' && result.value ? [result.value.uid] : []))
  expect(stored).toHaveLength(3)
  const inOne = results.slice(0, 8).flatMap((result) => (result.status === 'fulfilled' ? [result.value!.uid] : []))
  expect(Array.from(box.latest().uids)).toEqual(expect.arrayContaining(inOne))
  const after = (await inboxes.getById(store.db, inboxId))!
  expect(after.message_count).toBe(message_count + 3)
  const next = await append(account, 'One', mail('next'))
  expect(next.uid).toBe(Math.max(...Array.from(box.latest().uids)) + 1)
  box.close()
})

test('of APPENDs that arrive together, those of a key that was revoked meanwhile fail alone', async () => {
  const { store } = world
  const revoked = await world.logIn()
  const newestKey = store.db.selectFrom('api_keys').select('id').orderBy('id', 'desc').limit(1)
  const { id: revokedKey } = await newestKey.executeTakeFirstOrThrow()
  await account.create('Together')
  const accounts = Array.from({ length: SESSIONS }, (_, index) => (index % 3 === 1 ? revoked : account))
  const [allArrived, mayEnd] = [deferred(), deferred()]
  let arrived = 0
  const mail = (subject: string) => {
    const raw = `From: Bob <bob@x.test>\r\nSubject: ${subject}\r\n\r\nhello\r\n`
    async function* held(): AsyncGenerator<Buffer> {
      arrived += 1
      if (arrived === SESSIONS) allArrived.resolve()
      await mayEnd.promise
      yield Buffer.from(raw)
    }
    return appendedMail(raw, { sizeBytes: raw.length, data: held() })
  }
  const appending = Promise.allSettled(accounts.map((each, index) => each.append('Together', mail(`${index}`))))
  await allArrived.promise
  await store.transaction((tx) => apiKeys.remove(tx, revokedKey))
  mayEnd.resolve()

  const results = await appending
  expect(results.map(({ status }) => status)).toEqual(
    accounts.map((each) => (each === revoked ? 'rejected' : 'fulfilled')),
  )
  expect((await account.status('Together')).messages).toBe(SESSIONS - 2)
})
