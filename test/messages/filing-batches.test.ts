/**
 * Tests that what is filed together has the same result as one after the other: same receipts, errors, rows, events, and
 * threads in the events. Random lists of received and sent messages repeat Message-IDs and refer to each other, in a few
 * inboxes; between them an inbox is deleted and a key is revoked. In one store all of a list waits for the same group commit,
 * which makes batches of it; in another one each waits for the one before. Ids are random, so the comparison replaces each by
 * the order of its first occurrence.
 */
import { randomBytes } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import type { Schema } from '../../src/store/schema/schema.ts'
import type { InboxRow } from '../../src/store/schema/tenant-rows.ts'
import { asKysely, databaseUrlOf, loggedEvents, openTestStore, type TestStore } from '../store/test-store.ts'
import { amount, firstSeed } from '../support/amount.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { administrate, notSupported } from '../support/test-database.ts'
import {
  DELETED,
  INBOXES,
  type Item,
  mailIn,
  type ReceivedItem,
  type SentItem,
  WITH_REVOKED_KEY,
} from './filing-world.ts'

const NOW = Date.UTC(2026, 10, 29)

interface ListOptions {
  /** Also sent messages, and a key that is revoked. */
  readonly hasSent: boolean
  /** Some members fail, and the last one may have to wait. */
  readonly hasFates: boolean
}

/** Items whose parts are few enough that messages often have them in common. */
function randomItems(random: () => number, { hasSent, hasFates }: ListOptions): Item[] {
  const below = (max: number) => Math.floor(random() * max)
  const pick = <T>(values: readonly T[]) => values[below(values.length)]!
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'has space'].map((name) => `<${name}@example.test>`)
  const sentNames = hasSent ? [0, 1, 2, 3, 4].map((index) => `<sent${index}@example.test>`) : []

  const rawMail = (own: string | undefined) => {
    const refersTo = [...names, ...sentNames].filter(() => random() < 0.25)
    const lines = [
      `From: ${pick(['Ann', 'Bob'])} <${pick(['ann', 'bob'])}@example.test>`,
      'To: ada@example.test',
      `Subject: ${pick(['one', 'Re: one', 'one', 'two'])}`,
      ...(own === undefined ? [] : [`Message-ID: ${own}`]),
      ...(refersTo.length > 0 ? [`In-Reply-To: ${refersTo[0]}`, `References: ${refersTo.join(' ')}`] : []),
      'MIME-Version: 1.0',
    ]
    const body =
      random() < 0.2
        ? 'Content-Type: application/pdf; name="a.pdf"\r\nContent-Disposition: attachment\r\n\r\nx'
        : `\r\n${pick(['hello', 'good bye'])}`
    return Buffer.from(`${lines.join('\r\n')}\r\n${body}\r\n`)
  }
  const received = (own = pick([...names, ...names, undefined])): ReceivedItem => {
    const to = INBOXES.filter((index) => random() < (index === DELETED ? 0.1 : 0.4))
    return {
      kind: 'received',
      raw: rawMail(own),
      to: to.length === 0 ? [0] : to.length > 1 && random() < 0.3 ? [...to, to[0]!] : to,
      ...(random() < 0.2 && { isSpam: true }),
    }
  }
  const fated = <Kind extends ReceivedItem | SentItem>(item: Kind): Kind => {
    return hasFates && random() < 0.15 ? { ...item, fate: 'fails' as const } : item
  }
  const items: Item[] = Array.from({ length: hasSent ? 8 : 12 }, () => fated(received()))
  /** @returns its position; items that are added later may push it back */
  const insert = (item: Item, first = 0) => {
    const at = first + below(items.length - first + 1)
    items.splice(at, 0, item)
    return at
  }

  const deletedAt = insert({ kind: 'inbox is deleted' })
  insert({ ...received(), to: [0, DELETED] }, deletedAt + 1)
  if (hasFates) insert({ ...received(), to: [0, 1], fate: 'fails' })
  if (hasSent) {
    const [name, ...others] = sentNames.slice(0, 3) as [string, string, string]
    const first: SentItem = { kind: 'sent', raw: rawMail(name), from: below(DELETED), messageId: name }
    const twinAt = insertWithTwin(first, { isFromQueue: true })
    // The event of mail to oneself shows its thread without the message behind it.
    items.splice(twinAt + 1, 0, { kind: 'received', raw: replyTo(first.raw, name), to: [first.from] })
    for (const other of others) {
      const messageId = random() < 0.5 ? undefined : other
      const sent = { kind: 'sent' as const, raw: rawMail(messageId ?? pick(names)), from: pick(INBOXES) }
      insertWithTwin(fated({ ...sent, ...(messageId !== undefined && { messageId }) }), {
        ...(random() < 0.6 && { isFromQueue: true }),
        also: INBOXES.filter((index) => index !== sent.from && random() < 0.2),
      })
      if (messageId !== undefined && random() < 0.5) insert(received(other), positionOf(messageId) + 1) // other bytes
    }
    const revoked = (messageId: string): SentItem => {
      return { kind: 'sent', raw: rawMail(messageId), from: WITH_REVOKED_KEY, messageId, hasRevokedKey: true }
    }
    const revokedAt = insert({ kind: 'key is revoked' })
    insert(revoked(sentNames[3]!), revokedAt + 1)
    insert(revoked(sentNames[4]!))
  }
  // The last one, because it is filed after the others.
  return hasFates ? [...items, { ...received(), to: [below(DELETED)], fate: 'waits' }] : items

  /** Mail to oneself: the same bytes are received, in other inboxes too. @returns the position of what is received */
  function insertWithTwin(
    sent: SentItem,
    { isFromQueue = false, also = [] }: { isFromQueue?: boolean; also?: readonly number[] },
  ): number {
    const at = insert(sent)
    const twin: ReceivedItem = { kind: 'received', raw: sent.raw, to: [sent.from, ...also], isFromQueue }
    // A message of the API is new: nobody can have sent it before.
    return insert(fated(twin), sent.messageId === undefined ? 0 : at + 1)
  }

  function positionOf(messageId: string): number {
    return items.findIndex((item) => item.kind === 'sent' && item.messageId === messageId)
  }
}

function replyTo(raw: Buffer, messageId: string): Buffer {
  const [subject] = /^Subject: .*$/m.exec(raw.toString())!
  const lines = [
    'From: Ann <ann@example.test>',
    subject,
    'Message-ID: <reply@example.test>',
    `In-Reply-To: ${messageId}`,
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\nhello\r\n`)
}

/** Returns all rows of the inboxes, with ids replaced. */
async function dump(store: TestStore, inboxes: readonly InboxRow[], results: unknown): Promise<unknown> {
  const ids = inboxes.map(({ id }) => id)
  const db = store.db as unknown as Kysely<Schema>
  const events = await db.selectFrom('events').selectAll().where('inbox_id', 'in', ids).orderBy('seq').execute()
  const messages = await db.selectFrom('messages').selectAll().where('inbox_id', 'in', ids).orderBy('id').execute()
  const messageIds = orNone(messages.map(({ id }) => id))
  const contentIds = orNone(messages.map(({ content_id }) => content_id))
  const threads = await db.selectFrom('threads').selectAll().where('inbox_id', 'in', ids).execute()
  const threadIds = orNone(threads.map(({ id }) => id))
  const unordered = {
    threads,
    threadLabels: await db.selectFrom('thread_labels').selectAll().where('thread_id', 'in', threadIds).execute(),
    participants: await db.selectFrom('thread_participants').selectAll().where('thread_id', 'in', threadIds).execute(),
    references: await db.selectFrom('thread_references').selectAll().where('inbox_id', 'in', ids).execute(),
    labels: await db.selectFrom('message_labels').selectAll().where('message_id', 'in', messageIds).execute(),
    contents: await db.selectFrom('contents').selectAll().where('id', 'in', contentIds).execute(),
    attachments: await db.selectFrom('attachments').selectAll().where('content_id', 'in', contentIds).execute(),
    addresses: await db.selectFrom('content_addresses').selectAll().where('content_id', 'in', contentIds).execute(),
    queued: await db
      .selectFrom('recipients')
      .select(['message_id', 'position', 'address', 'state', 'next_attempt_at'])
      .where('inbox_id', 'in', ids)
      .execute(),
  }
  const firstSeq = events[0]?.seq ?? 0
  const numbered = events.map(({ event_id: _event, seq, payload, ...event }) => ({
    ...event,
    seq: seq - firstSeq,
    payload: JSON.parse(payload) as unknown,
  }))
  const ordered = {
    inboxes: await db.selectFrom('inboxes').selectAll().where('id', 'in', ids).orderBy('id').execute(),
    messages: messages.map(({ number: _number, labels_seq, ...message }) => ({
      ...message,
      labels_seq: labels_seq === 0 ? 0 : labels_seq - firstSeq,
    })),
    events: numbered,
    results,
  }
  const names = new Map<string, string>()
  const withoutIds = (value: unknown) =>
    JSON.stringify(value).replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => {
      if (!names.has(id)) names.set(id, `id${names.size}`)
      return names.get(id)!
    })
  const first = withoutIds(ordered)
  // Hashes of generated Message-IDs are as random as these.
  const generated = new Set(
    messages
      .filter((message) => /^<[0-9a-f]{8}-/.test(message.api_message_id))
      .map((message) => message.api_message_id_hash),
  )
  const withoutHashes = (text: string) =>
    text.replace(/[\w-]{24}/g, (hash) => (generated.has(hash) ? 'generated' : hash))
  return {
    ordered: JSON.parse(withoutHashes(first)) as unknown,
    unordered: Object.fromEntries(
      Object.entries(unordered).map(([table, rows]) => [
        table,
        (rows as unknown[]).map((row) => withoutHashes(withoutIds(row))).sort(),
      ]),
    ),
  }
}

/** PostgreSQL refuses an empty list: `in ()`. */
function orNone(ids: readonly string[]): readonly string[] {
  return ids.length > 0 ? ids : ['none']
}

test('a batch has the same result as its messages one by one', async () => {
  const { together, results, batches } = await compareLists({ short: 6, long: 1_000 }, false)
  // The comparison means something only if messages had something to do with each other.
  for (const each of ['"isDuplicate":true', '"unknown_recipient"', '"unknown_api_key"']) expect(results).toContain(each)
  expect(Math.max(...batches)).toBeGreaterThan(3)
  expect(await labelledCount(together, ['sent', 'received'])).toBeGreaterThan(0)
  expect(await largestThread(together)).toBeGreaterThan(2)
}, 900_000)

/** A thread shows one message more with each of its events, so the order in which messages are filed must be the same. */
test('members that fail or wait change nothing for the others of their batch', async () => {
  const { results, batches } = await compareLists({ short: 4, long: 500 }, true)
  expect(results).toContain('"failed"')
  expect(Math.max(...batches)).toBeGreaterThan(3)
}, 900_000)

/** @returns the store in which lists were filed together, the results there as text, and the sizes of its batches */
async function compareLists(lists: { readonly short: number; readonly long: number }, hasFates: boolean) {
  const clock = () => NOW
  const together = await openTestStore({ clock })
  onTestFinished(() => together[Symbol.asyncDispose]())
  await using single = await openTestStore({ clock })
  const [batched, oneByOne] = [mailIn(together), mailIn(single)]
  const first = firstSeed('FILING_SEED', 1)
  let shown = ''

  for (let seed = first; seed < first + amount(lists); seed += 1) {
    const items = randomItems(seededRandom(seed), { hasSent: seed % 2 === 0, hasFates })
    const [ofBatched, ofSingle] = [await batched.addTenants(), await oneByOne.addTenants()]
    if (seed === first) {
      expect(await dump(together, ofBatched.inboxes, [])).toEqual(await dump(single, ofSingle.inboxes, []))
    }
    const results = await batched.run(ofBatched, items)
    const singleResults: unknown[] = []
    for (const item of items) singleResults.push(...(await oneByOne.run(ofSingle, [item])))

    const expected = await dump(single, ofSingle.inboxes, singleResults)
    expect(await dump(together, ofBatched.inboxes, results), `FILING_SEED=${seed}`).toEqual(expected)
    shown += JSON.stringify(results)
  }
  expect(Math.max(...oneByOne.batches)).toBe(1)
  return { together, results: shown, batches: batched.batches }
}

/** Returns how many messages have all of these labels. */
async function labelledCount(store: TestStore, labels: readonly string[]): Promise<number> {
  const rows = await store.db
    .selectFrom('message_labels')
    .select('message_id')
    .where('label', 'in', labels)
    .groupBy('message_id')
    .having(({ fn }) => fn.countAll(), '=', labels.length)
    .execute()
  return rows.length
}

async function largestThread(store: TestStore): Promise<number> {
  const { largest } = await store.db
    .selectFrom('threads')
    .select(({ fn }) => fn.max('message_count').as('largest'))
    .executeTakeFirstOrThrow()
  return Number(largest)
}

/** Messages for a batch that is cut off in its middle. The fourth is the one that a trigger refuses. */
const BATCH = 8
const REFUSED = 3
const batchOfMails = (): ReceivedItem[] =>
  Array.from({ length: BATCH }, (_, index) => ({
    ...{ kind: 'received', to: [index % DELETED] },
    raw: Buffer.from(
      `Subject: ${index === REFUSED ? 'no space' : index}\r\nMessage-ID: <${index}@full.test>\r\n\r\n${randomBytes(20_000).toString('hex')}\r\n`,
    ),
  }))

/** Each has its event once, with consecutive numbers. */
const ALL_LOGGED = Array.from({ length: BATCH }, (_, index) => [index + 1, 'message.received'])

const isDuplicate = (results: readonly unknown[]) =>
  results.flatMap((result) => (result as { isDuplicate: boolean }[]).map((receipt) => receipt.isDuplicate))

notSupported('postgres', 'a PostgreSQL server has its own disk')(
  'if the disk fills up in the middle of a batch of messages, none is stored, and each is stored once when it is repeated',
  async () => {
    await using store = await openTestStore()
    const mail = mailIn(store)
    const tenants = await mail.addTenants()
    const mails = batchOfMails()
    const limitPages = (change: (pages: number) => number) =>
      store.transaction(async (tx) => {
        const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(asKysely(tx))
        await sql.raw(`pragma max_page_count = ${change(rows[0]!.page_count)}`).execute(asKysely(tx))
      })

    await limitPages((pages) => pages + 25) // enough for the first ones
    expect(await mail.run(tenants, mails)).toEqual(Array(BATCH).fill('disk_full'))
    expect(mail.batches).toEqual([BATCH])
    expect(await storedCounts(store)).toEqual({ messages: 0, contents: 0, events: 0 })

    await limitPages(() => 1_000_000)
    expect(isDuplicate(await mail.run(tenants, mails))).toEqual(Array(BATCH).fill(false))
    expect(await loggedEvents(store)).toEqual(ALL_LOGGED)
    expect(isDuplicate(await mail.run(tenants, mails))).toEqual(Array(BATCH).fill(true))
    expect(await storedCounts(store)).toEqual({ messages: BATCH, contents: BATCH, events: BATCH })
  },
)

notSupported('sqlite', 'its disk is full for all members of a group at once')(
  'if PostgreSQL has no space for one message of a batch, only this one is refused, and it is stored once when it is repeated',
  async () => {
    await using store = await openTestStore()
    const mail = mailIn(store)
    const tenants = await mail.addTenants()
    const mails = batchOfMails()
    const url = databaseUrlOf(store.dataDir)!
    await administrate(
      url,
      `create function refuse() returns trigger language plpgsql as $$
         begin if new.subject = 'no space' then raise exception using errcode = '53100'; end if; return new; end $$;
       create trigger refuse before insert on messages for each row execute function refuse()`,
    )
    const results = await mail.run(tenants, mails)
    expect(results[REFUSED]).toBe('disk_full')
    expect(isDuplicate(results.toSpliced(REFUSED, 1))).toEqual(Array(BATCH - 1).fill(false))
    expect(mail.batches[0]).toBe(BATCH)
    expect(await storedCounts(store)).toEqual({ messages: BATCH - 1, contents: BATCH - 1, events: BATCH - 1 })
    store.checkWritable() // the others have shown that there is space

    await administrate(url, 'drop trigger refuse on messages')
    const repeated = isDuplicate(await mail.run(tenants, mails))
    expect(repeated).toEqual(mails.map((_mail, index) => index !== REFUSED))
    expect(await storedCounts(store)).toEqual({ messages: BATCH, contents: BATCH, events: BATCH })
    expect(await loggedEvents(store)).toEqual(ALL_LOGGED)
  },
)

async function storedCounts(store: TestStore) {
  const count = async (table: string) => {
    const query = sql<{ count: number }>`select count(*) as count from ${sql.table(table)}`
    return Number((await query.execute(store.db as unknown as Kysely<Schema>)).rows[0]!.count)
  }
  return { messages: await count('messages'), contents: await count('contents'), events: await count('events') }
}
