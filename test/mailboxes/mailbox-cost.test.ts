/**
 * Tests what mailboxes cost the database: statements per APPEND, and how often the writer of PostgreSQL waits for the server; what
 * CREATE compares; what FETCH reads. All of them grow unnoticed.
 */
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import type { MailAccount, WantedItems } from '../../src/edges/imap/session/mail-store.ts'
import { SqliteConnection } from '../../src/store/sqlite/sqlite-connection.ts'
import { ImapClient } from '../imap/imap-client.ts'
import { startImapServers } from '../imap/imap-under-test.ts'
import { countPostgresCalls } from '../support/postgres-calls.ts'
import { databaseName, notSupported } from '../support/test-database.ts'
import { appendedMail, startMailboxes } from './mailbox-world.ts'

const MESSAGES = 20
/** On a busy machine, a transaction that yields waits for the server once more, and the feed polls while others are counted. */
const WITHOUT_YIELDS = { store: { turnMs: 60_000 }, events: { pollMs: 60_000 } }

afterEach(() => vi.restoreAllMocks())

let count = 0
const mail = () =>
  appendedMail(`From: Bob <bob@x.test>\nTo: ada@x.test\nMessage-ID: <${count++}@x.test>\nSubject: s\n\nhello\n`)

async function appendAll(account: MailAccount, name: string): Promise<number[]> {
  const appended = await Promise.all(Array.from({ length: MESSAGES }, () => account.append(name, mail())))
  return appended.map((result) => result!.uid)
}

notSupported('postgres', 'its statements are counted by the next test')(
  'the number of statements per APPEND does not grow',
  async () => {
    await using world = await startMailboxes(WITHOUT_YIELDS)
    const account = await world.logIn()
    await account.create('Work')
    const runRows = vi.spyOn(SqliteConnection.prototype, 'runRows')
    const others = [vi.spyOn(SqliteConnection.prototype, 'run'), vi.spyOn(SqliteConnection.prototype, 'executeQuery')]
    await appendAll(account, 'Work')
    // Two statements per message find the inbox and its mailboxes; the others are those of one batch.
    const rows = runRows.mock.calls.reduce((sum, [step]) => sum + step.rows.length, 0) / MESSAGES
    const statements = others.reduce((sum, spy) => sum + spy.mock.calls.length, 0)
    expect({ rows, statements }).toEqual({ rows: 18.1, statements: 45 })
  },
)

notSupported('sqlite', 'it has no server to wait for')(
  'the number of statements and round trips of APPENDs that arrive together does not grow',
  async () => {
    await using world = await startMailboxes(WITHOUT_YIELDS)
    const account = await world.logIn()
    await account.create('Work')
    const calls = countPostgresCalls()
    await appendAll(account, 'Work')
    // 88 and 58 in one batch; a message that arrives late has a batch of its own, and the feed may read meanwhile.
    const { statements, roundTrips } = calls.take()
    expect([statements < 130, roundTrips < 80], `${statements} statements, ${roundTrips} round trips`).toEqual([
      true,
      true,
    ])
  },
)

test('receiving costs no statement more in an inbox that a mail program has opened', async () => {
  const calls = databaseName() === 'postgres' ? countPostgresCalls() : undefined
  await using world = await startMailboxes(WITHOUT_YIELDS)
  const runRows = vi.spyOn(SqliteConnection.prototype, 'runRows')
  const others = [vi.spyOn(SqliteConnection.prototype, 'run'), vi.spyOn(SqliteConnection.prototype, 'executeQuery')]
  const cost = async () => {
    await calls?.settled()
    calls?.take()
    vi.clearAllMocks()
    await world.receive()
    await calls?.settled()
    const rows = runRows.mock.calls.reduce((sum, [step]) => sum + step.rows.length, 0)
    return calls?.take() ?? { rows, statements: others.reduce((sum, spy) => sum + spy.mock.calls.length, 0) }
  }
  await world.receive()
  const before = await cost()
  const account = await world.logIn()
  await account.create('Work')
  const mailbox = await account.open('INBOX')
  expect(await cost()).toEqual(before)
  mailbox.close()
  expect(await cost()).toEqual(before)
})

test('an appended message has its UID at once, and MODSEQ is the number of its event', async () => {
  await using world = await startMailboxes()
  const account = await world.logIn()
  await world.receive() // its entry is made by the next one who looks
  const uids = await appendAll(account, 'INBOX')
  expect(new Set(uids).size).toBe(MESSAGES)
  const entries = world.store.db
    .selectFrom('mailbox_entries')
    .innerJoin('events', 'events.message_id', 'mailbox_entries.item_id')
    .select(['uid', 'modseq', 'seq'])
    .orderBy('uid')
  const before = await entries.where('type', '=', 'message.appended').execute()
  expect(before.map(({ uid }) => uid)).toEqual(uids.toSorted((a, b) => a - b))
  for (const { modseq, seq } of before) expect(modseq).toBe(seq)

  const mailbox = await account.open('INBOX')
  const { uids: shown, modseqs } = mailbox.latest()
  expect(shown.length).toBe(MESSAGES + 1)
  expect(Array.from(modseqs).every((modseq) => modseq > 0)).toBe(true)
  mailbox.close()
})

test('CREATE compares the messages of an inbox only if one of them has the label', async () => {
  await using world = await startMailboxes()
  const account = await world.logIn()
  const id = await world.receive()
  await account.list()
  // A comparison would repair this.
  await world.store.transaction((tx) => tx.updateTable('mailbox_entries').set({ flags: 'unlike' }).execute())
  await account.create('Empty')
  expect(await account.status('Empty')).toMatchObject({ messages: 0 })
  const flagsOfInbox = async () => {
    const mailbox = await account.open('INBOX')
    mailbox.close()
    return mailbox.latest().flags
  }
  expect(await flagsOfInbox()).toEqual([['unlike']])
  await account.rename('Empty', 'Renamed')
  await account.delete('Renamed')
  expect(await flagsOfInbox()).toEqual([['unlike']])

  await world.node.labels.change(world.actor, world.inboxId, [`<${await apiId(id)}>`], { add: ['full'] })
  await account.create('Full')
  expect(await account.status('Full')).toMatchObject({ messages: 1 })
  expect(await account.status('INBOX')).toMatchObject({ messages: 0 })

  async function apiId(message: string): Promise<string> {
    const row = await world.store.db
      .selectFrom('messages')
      .select('api_message_id')
      .where('id', '=', message)
      .executeTakeFirstOrThrow()
    return row.api_message_id.replace(/^<|>$/g, '')
  }
})

test('FETCH BODY[] of unread messages has one change of flags per 256 KiB', async () => {
  await using world = await startMailboxes(WITHOUT_YIELDS)
  const imap = await startImapServers({ logIn: () => world.logIn() })
  onTestFinished(() => imap.stop())
  for (let sent = 0; sent < 24; sent += 1) await world.receive({ text: `${'x'.repeat(78)}\r\n`.repeat(250) })
  const client = await ImapClient.logIn(imap.port, { user: 'ada', password: 'secret' })
  await client.ok('SELECT INBOX')
  const transaction = vi.spyOn(world.store, 'transaction')
  await client.ok('FETCH 1:24 BODY.PEEK[]')
  expect(transaction).not.toHaveBeenCalled()
  const fetched = await client.ok('FETCH 1:24 BODY[]')
  // 13 messages have 256 KiB. Each change is one transaction, and another one brings the mailbox up to date.
  expect(transaction).toHaveBeenCalledTimes(2 * 2)
  expect(fetched.map((line) => line.slice(-' FLAGS (\\Seen))'.length))).toEqual(Array(24).fill(' FLAGS (\\Seen))'))
  expect(await client.ok('SEARCH UNSEEN')).toEqual(['SEARCH'])
  client.destroy()
})

test('ENVELOPE is stored with the message; a structure is computed once, also if many ask for it', async () => {
  await using world = await startMailboxes({ mailboxes: { sourceBytesMax: 100 } })
  const account = await world.logIn()
  await world.receive({ subject: 'stored', text: 'x'.repeat(1_000) })
  const mailbox = await account.open('INBOX')
  const read = vi.spyOn(world.node.contents, 'read')
  const [first] = await fetchAll({ envelope: true })
  expect(first!.envelope).toContain('"stored"')
  expect(read).not.toHaveBeenCalled()
  expect(await world.store.db.selectFrom('content_structures').select('version').execute()).toEqual([])

  const wanted = await Promise.all([fetchAll({ source: 'whole' }), fetchAll({ source: 'whole' })])
  expect(wanted.flat().map(({ source }) => source!.bytes)).toEqual([undefined, undefined]) // it is too large
  const parts = await Promise.all(wanted.flat().map(({ source }) => source!.structure()))
  expect(parts[0]).toEqual(parts[1])
  expect(read).toHaveBeenCalledTimes(1)
  const [structure] = await fetchAll({ bodyStructure: true })
  expect(structure!.bodyStructure).toContain('"text" "plain"')
  expect(read).toHaveBeenCalledTimes(1)
  mailbox.close()

  async function fetchAll(items: WantedItems) {
    const { signal } = new AbortController()
    const found = []
    for await (const batch of mailbox.fetch(Array.from(mailbox.latest().uids), items, signal)) found.push(...batch)
    return found
  }
})
