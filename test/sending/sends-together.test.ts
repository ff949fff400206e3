/**
 * Tests that messages which are sent at the same time have the same result as one after the other: what each caller gets, rows,
 * events and counts; and what a batch of them costs the database. Random sends meet in a few inboxes, some are refused.
 */
import type { Kysely } from 'kysely'
import pg from 'pg'
import { afterEach, expect, test, vi } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import { createDiscardBlobs } from '../../src/mail/messages/content/discard-blobs.ts'
import { createPrepareContent } from '../../src/mail/messages/content/prepared-content.ts'
import { createFiling } from '../../src/mail/messages/filing/file-messages.ts'
import { hashId } from '../../src/mail/messages/threads/threading.ts'
import { createFileSent } from '../../src/mail/sending/compose/file-sent.ts'
import { createCountSends } from '../../src/mail/sending/compose/send-caps.ts'
import { createRecordOutcome } from '../../src/mail/sending/queue/delivery-outcome.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Tx } from '../../src/store/handles.ts'
import type { Schema } from '../../src/store/schema/schema.ts'
import type { InboxRow } from '../../src/store/schema/tenant-rows.ts'
import { SqliteConnection } from '../../src/store/sqlite/sqlite-connection.ts'
import * as apiKeys from '../../src/store/tables/api-keys-table.ts'
import * as domains from '../../src/store/tables/domains-table.ts'
import * as idempotency from '../../src/store/tables/idempotency-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as listEntries from '../../src/store/tables/list-entries-table.ts'
import * as signUps from '../../src/store/tables/sign-ups-table.ts'
import { insertInbox, insertMessage } from '../store/rows.ts'
import { holdOpen, isWaiting, openTestStore, type TestStore } from '../store/test-store.ts'
import { amount, firstSeed } from '../support/amount.ts'
import { createParserHere } from '../support/parse-here.ts'
import { countPostgresCalls } from '../support/postgres-calls.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { notSupported } from '../support/test-database.ts'

const limits = withLimits({})
const NOW = Date.UTC(2026, 11, 1)
const BLOCKED = 'zoe@blocked.test'
const REPLIES_MAX = 1
const CAPS = { inboxSendsMax: 4, organizationSendsMax: 6 }
const NO_CAPS_REACHED = { inboxSendsMax: 1_000, organizationSendsMax: 1_000 }
const WITHOUT_YIELDS = { limits: { store: { turnMs: 60_000 } }, clock: () => NOW }

afterEach(() => vi.restoreAllMocks())

interface Send {
  /** Index of its inbox. */
  readonly from: number
  readonly key: 'good' | 'read-only' | 'changed' | 'deleted'
  readonly recipients: readonly string[]
  readonly isHeld?: boolean
  readonly isReply?: boolean
  /** It has an Idempotency-Key; `lost`: another request has taken it over since then. */
  readonly idempotencyKey?: 'own' | 'lost' | undefined
}

/** An inbox, the message in it that replies answer, and the keys of its organization. */
interface Sender {
  readonly inbox: InboxRow
  readonly threadId: string
  readonly keys: Readonly<Record<Send['key'], KeyActor>>
}

function randomSends(random: () => number, count: number): Send[] {
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)]!
  const keys = [...Array(10).fill('good'), 'read-only', 'changed', 'deleted'] as const
  return Array.from({ length: count }, () => ({
    from: Math.floor(random() * SENDERS),
    key: pick(keys),
    recipients: ['ann@x.test', 'bob@y.test', BLOCKED].filter(() => random() < 0.4).concat('cy@x.test'),
    isHeld: random() < 0.15,
    isReply: random() < 0.5,
    idempotencyKey: random() < 0.2 ? 'own' : undefined,
  }))
}

/** The first two share an organization; one has a block list, one is paused, and of one the human is not verified. */
const SENDERS = 5

async function createSenders(store: TestStore): Promise<Sender[]> {
  const senders: Sender[] = []
  for (let index = 0; index < SENDERS; index += 1) {
    senders.push(await store.transaction((tx) => createSender(tx, index, senders[0]?.inbox)))
  }
  return senders
}

async function createSender(tx: Tx, index: number, first: InboxRow | undefined): Promise<Sender> {
  const ids = await insertInbox(tx)
  if (index === 1) {
    const { organization_id, pod_id } = first!
    await tx.updateTable('inboxes').set({ organization_id, pod_id }).where('id', '=', ids.inbox_id).execute()
    Object.assign(ids, { organization_id, pod_id })
  }
  if (index === 2) await listEntries.insertMissing(tx, [blockOf(tx, { ...ids, id: ids.inbox_id })])
  if (index === 3) await tx.updateTable('inboxes').set({ status: 'paused' }).where('id', '=', ids.inbox_id).execute()
  if (index === 4) {
    await signUps.insert(tx, {
      ...{ organization_id: ids.organization_id, human_email: `${ids.organization_id}@x.test`, human_changes: 0 },
      ...{ code_hash: null, code_expires_at: null, code_tries: 0, code_submission_id: null, verified_at: null },
      ...{ created_at: tx.now, updated_at: tx.now },
    })
  }
  const answered = await insertMessage(tx, ids)
  await tx
    .updateTable('messages')
    .set({ header_message_id: '<asked@x.test>', header_message_id_hash: hashId('<asked@x.test>') })
    .where('id', '=', answered.id)
    .execute()
  await tx.insertInto('message_labels').values({ message_id: answered.id, label: 'received' }).execute()
  const { thread_id: threadId } = await tx
    .selectFrom('messages')
    .select('thread_id')
    .where('id', '=', answered.id)
    .executeTakeFirstOrThrow()
  const inbox = await tx.selectFrom('inboxes').selectAll().where('id', '=', ids.inbox_id).executeTakeFirstOrThrow()
  const keys = {
    good: await createKey(tx, inbox, null),
    'read-only': await createKey(tx, inbox, ['message_read']),
    changed: { ...(await createKey(tx, inbox, ['message_read'])), permissions: undefined! },
    deleted: { kind: 'key' as const, apiKeyId: tx.newId(), organizationId: inbox.organization_id },
  }
  return { inbox, threadId, keys }
}

function blockOf(tx: Tx, { id, organization_id, pod_id }: Pick<InboxRow, 'id' | 'organization_id' | 'pod_id'>) {
  return {
    ...{ scope_id: id, organization_id, pod_id, inbox_id: id, direction: 'send' as const, list_type: 'block' as const },
    ...{ entry: BLOCKED, read_only: 0 as const, reason: null, created_at: tx.now },
  }
}

async function createKey(
  tx: Tx,
  { organization_id }: InboxRow,
  permissions: 'message_read'[] | null,
): Promise<KeyActor> {
  const id = tx.newId()
  await apiKeys.insert(tx, {
    kind: 'bearer',
    ...{ id, organization_id, pod_id: null, inbox_id: null, name: 'key', prefix: 'am_', key_hash: id },
    permissions: permissions && JSON.stringify(permissions),
    ...{ is_root: 0, created_by: 'system:test', expires_at: null, used_at: null },
    ...{ created_at: tx.now, updated_at: tx.now },
  })
  const key = { kind: 'key', apiKeyId: id, organizationId: organization_id } as const
  return permissions ? { ...key, permissions: new Set(permissions) } : key
}

/** Returns a function that prepares sends; what it returns stores them. */
function sendingIn(store: TestStore, caps = CAPS) {
  const log = createLog('silent')
  const discardBlobs = createDiscardBlobs({ store, log })
  const prepareContent = createPrepareContent({ store, mailParser: createParserHere(limits), discardBlobs, limits })
  const fileSent = createFileSent({
    ...{ store, discardBlobs, log, metrics: createMetrics(), wallClock: () => NOW, removal: undefined! },
    config: { threadRepliesMax: REPLIES_MAX, limits },
    countSends: createCountSends({ config: caps, node: 'node' }),
    fileMessages: createFiling({ limits, domain: 'mail.test' }),
  })

  return async function prepare(senders: readonly Sender[], sends: readonly Send[]) {
    return Promise.all(
      sends.map(async ({ from, key, recipients, isHeld, isReply, idempotencyKey }, index) => {
        const { inbox, threadId, keys } = senders[from]!
        const messageId = `<sent${index}@mail.test>`
        const reply = isReply ? 'In-Reply-To: <asked@x.test>\r\n' : ''
        const raw = `From: ${inbox.address}\r\nTo: ann@x.test\r\nMessage-ID: ${messageId}\r\n${reply}Subject: s${index}\r\n\r\nhello\r\n`
        const content = await prepareContent({ fairnessKey: 'x', raw: Buffer.from(raw), bytesMax: raw.length })
        const mail = {
          ...({ inbox, permission: 'message_send', content, selector: 's', messageId, recipients, isHeld } as const),
          ...{ envelopeSender: inbox.address, bcc: [], labels: [], beganAt: NOW },
          ...(isReply && { threadId, inReplyTo: '<asked@x.test>' }),
        }
        const claimed = idempotencyKey && (await store.transaction((tx) => claimKey(tx, inbox, `key${index}`)))
        const keyClaim = claimed && { ...claimed, leaseUntil: claimed.leaseUntil - Number(idempotencyKey === 'lost') }
        return () =>
          fileSent(keys[key], { ...mail, keyClaim }).then(
            () => 'sent',
            (error) => error.code as string,
          )
      }),
    )
  }
}

function claimKey(tx: Tx, { id, organization_id }: InboxRow, key: string): Promise<idempotency.KeyLease> {
  return idempotency.insert(tx, {
    ...{ inbox_id: id, key, scope_id: organization_id, fingerprint: '', state: 'running' as const },
    ...{ lease_until: NOW + 60_000, result: null, created_at: tx.now, completed_at: null },
  })
}

/** Returns what the stores must have in common, by inbox, with all random ids replaced. */
async function dump(store: TestStore, senders: readonly Sender[]): Promise<unknown> {
  const db = store.db as unknown as Kysely<Schema>
  const counted = await db.selectFrom('rate_counts').select(['key', 'count']).where('count', '>', 0).execute()
  const inboxes = senders.map(async ({ inbox: { id } }) => ({
    inbox: await db
      .selectFrom('inboxes')
      .select(['message_count', 'thread_count', 'size_bytes'])
      .where('id', '=', id)
      .execute(),
    messages: await db
      .selectFrom('messages')
      .innerJoin('threads', 'threads.id', 'messages.thread_id')
      .select(['messages.subject', 'messages.header_message_id', 'messages.verified_domain', 'messages.hidden'])
      .select(['threads.message_count', 'threads.last_message_id', 'threads.sent_timestamp'])
      .where('messages.inbox_id', '=', id)
      .orderBy('messages.id')
      .execute(),
    labels: await db
      .selectFrom('message_labels')
      .innerJoin('messages', 'messages.id', 'message_labels.message_id')
      .select(['messages.header_message_id', 'message_labels.label'])
      .where('messages.inbox_id', '=', id)
      .orderBy('messages.id')
      .orderBy('message_labels.label')
      .execute(),
    recipients: await db
      .selectFrom('recipients')
      .innerJoin('messages', 'messages.id', 'recipients.message_id')
      .innerJoin('submissions', 'submissions.id', 'recipients.submission_id')
      .select(['messages.header_message_id', 'recipients.address', 'recipients.state', 'recipients.last_reply'])
      .select(['submissions.envelope_sender', 'submissions.dkim_selector'])
      .where('recipients.inbox_id', '=', id)
      .orderBy('messages.id')
      .orderBy('recipients.position')
      .execute(),
    events: (
      await db
        .selectFrom('events')
        .select(['type', 'actor', 'payload'])
        .where('inbox_id', '=', id)
        .orderBy('seq')
        .execute()
    ).map(({ payload, ...event }) => ({ ...event, payload: JSON.parse(payload) as unknown })),
    keys: await db
      .selectFrom('idempotency_keys')
      .select(['key', 'state'])
      .where('inbox_id', '=', id)
      .orderBy('key')
      .execute(),
  }))
  const all = { counted: counted.map((row) => JSON.stringify(row)), inboxes: await Promise.all(inboxes) }
  const names = new Map(
    senders.flatMap(({ inbox: { id, organization_id } }, index) => [
      [id, index],
      [organization_id, index],
    ]) as [string, number][],
  )
  const text = JSON.stringify(all).replace(
    /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g,
    (id) => `id${names.get(id) ?? ''}`,
  )
  const named = JSON.parse(text) as typeof all
  return { ...named, counted: named.counted.sort() }
}

test('sends at the same time have the same result as one after the other', async () => {
  await using together = await openTestStore({ clock: () => NOW })
  await using single = await openTestStore({ clock: () => NOW })
  const [prepareTogether, prepareSingle] = [sendingIn(together), sendingIn(single)]
  const first = firstSeed('SENDS_SEED', 1)
  const seen = new Map<string, number>()
  let commits = 0
  together.onCommit(() => {
    commits += 1
  })

  for (let seed = first; seed < first + amount({ short: 3, long: 500 }); seed += 1) {
    const sends = randomSends(seededRandom(seed), 24)
    const [ofTogether, ofSingle] = [await createSenders(together), await createSenders(single)]
    const [atOnce, inTurn] = [await prepareTogether(ofTogether, sends), await prepareSingle(ofSingle, sends)]
    commits = 0
    const results = await Promise.all(atOnce.map((send) => send()))
    expect(commits).toBeLessThan(8) // so they did not run one by one
    const expected: string[] = []
    for (const send of inTurn) expected.push(await send())

    const name = `SENDS_SEED=${seed}`
    expect(results, name).toEqual(expected)
    expect(await dump(together, ofTogether), name).toEqual(await dump(single, ofSingle))
    for (const result of results) seen.set(result, (seen.get(result) ?? 0) + 1)
  }
  // The comparison means something only if all of this happened.
  const refusals = ['message_rejected', 'inbox_paused', 'missing_permission', 'forbidden', 'unknown_api_key']
  expect([...seen.keys()]).toEqual(expect.arrayContaining(['sent', 'rate_limit_exceeded', ...refusals]))
}, 900_000)

test('a send that has lost its idempotency key is refused, and the others are stored once', async () => {
  await using store = await openTestStore({ clock: () => NOW })
  const senders = [await store.transaction((tx) => createSender(tx, 0, undefined))]
  const sends = Array.from({ length: 10 }, (_, index): Send => {
    return { from: 0, key: 'good', recipients: ['cy@x.test'], idempotencyKey: index === 6 ? 'lost' : 'own' }
  })
  const prepared = await sendingIn(store, NO_CAPS_REACHED)(senders, sends)
  const results = await Promise.all(prepared.map((send) => send()))
  expect(results).toEqual(
    sends.map(({ idempotencyKey }) => (idempotencyKey === 'lost' ? 'idempotency_running' : 'sent')),
  )
  const rows = await store.db.selectFrom('idempotency_keys').select(['key', 'state']).orderBy('key').execute()
  expect(rows.filter(({ state }) => state === 'running')).toEqual([{ key: 'key6', state: 'running' }])
  const subjects = await store.db.selectFrom('messages').select('subject').where('subject', 'is not', null).execute()
  expect(subjects.map(({ subject }) => subject).sort()).toEqual(
    sends.flatMap((_, index) => (index === 6 ? [] : `s${index}`)),
  )
})

notSupported('sqlite', 'it has one node')(
  'a send, and the outcome of a delivery, wait for an inbox that another node has locked; the others of their batch do not',
  async () => {
    // A batch that waited would do so until the test ends.
    const waiting = { store: { turnMs: 60_000, lockWaitMs: 600_000, transactionMs: 600_000 } }
    await using store = await openTestStore({ limits: waiting })
    const locked = await store.transaction((tx) => createSender(tx, 0, undefined))
    const free = await store.transaction((tx) => createSender(tx, 1, locked.inbox))
    const sends = [0, 1].map((from): Send => ({ from, key: 'good', recipients: ['cy@x.test'] }))
    const prepared = await sendingIn(store, NO_CAPS_REACHED)([locked, free], sends)
    const other = new pg.Client({ connectionString: store.needs.config.databaseUrl })
    await other.connect()
    /** @returns what the first one returns, which needs the locked inbox */
    const whileLocked = async <Result>(acts: readonly (() => Promise<Result>)[]): Promise<Result> => {
      await other.query('begin')
      await other.query('select 1 from inboxes where id = $1 for update', [locked.inbox.id])
      const [first, second] = acts.map((act) => act())
      await second
      await other.query('commit')
      return first!
    }
    try {
      expect(await whileLocked(prepared)).toBe('sent')

      const record = createRecordOutcome({
        ...{ store, limits, spread: () => 0.5, discardBlobs: async () => undefined },
        notices: { readHead: async () => Buffer.alloc(0), enqueue: async () => undefined },
      })
      const lease = { lease_owner: 'worker', lease_until: Date.now() + 60_000 }
      await store.transaction((tx) => tx.updateTable('recipients').set(lease).execute())
      const ended = [locked, free].map(({ inbox: { id } }) => async () => {
        const ofInbox = store.db.selectFrom('recipients').selectAll().where('inbox_id', '=', id)
        const row = await ofInbox.executeTakeFirstOrThrow()
        const ofRow = store.db.selectFrom('submissions').selectAll().where('id', '=', row.submission_id)
        return { row, submission: await ofRow.executeTakeFirstOrThrow() }
      })
      const attempts = await Promise.all(ended.map((read) => read()))
      const acts = attempts.map(({ row, submission }) => () => {
        const recipients = [{ row, outcome: { kind: 'delivered' } as const }]
        return record({ submission, recipients, target: 'direct', owner: 'worker', startedAt: NOW })
      })
      expect((await whileLocked(acts)).changes).toMatchObject([{ state: 'delivered' }])
    } finally {
      await other.end()
    }
    const rows = await store.db.selectFrom('recipient_history').select('outcome').execute()
    expect(rows.map(({ outcome }) => outcome)).toEqual(['delivered', 'delivered'])
    const events = await store.db.selectFrom('events').select('type').orderBy('type').execute()
    expect(events.map(({ type }) => type).filter((type) => /sent|delivered/.test(type))).toEqual([
      ...['message.delivered', 'message.delivered', 'message.sent', 'message.sent'],
    ])
  },
)

notSupported('sqlite', 'it has one node')(
  'a send that waits for its inbox is refused by what another node changes meanwhile: its domain, and its lists',
  async () => {
    const waiting = { limits: { store: { lockWaitMs: 600_000, transactionMs: 600_000 } } }
    await using store = await openTestStore(waiting)
    await using other = await openTestStore({ ...waiting, dataDir: store.dataDir })
    const changes: [change: (tx: Tx, inbox: InboxRow) => Promise<unknown>, result: string][] = [
      [(tx, { domain_id }) => domains.update(tx, domain_id, { holds_name: 0 }), 'domain_not_verified'],
      [(tx, { domain_id }) => domains.update(tx, domain_id, { deleting_at: tx.now }), 'domain_not_verified'],
      [(tx, inbox) => listEntries.insertMissing(tx, [blockOf(tx, inbox)]), 'message_rejected'],
      [async () => undefined, 'sent'],
    ]
    for (const [change, expected] of changes) {
      const sender = await store.transaction((tx) => createSender(tx, 0, undefined))
      const { inbox } = sender
      const [send] = await sendingIn(store)([sender], [{ from: 0, key: 'good', recipients: [BLOCKED] }])
      const locked = await holdOpen(other, async (tx) => {
        await inboxes.lockById(tx, inbox.id)
        await change(tx, inbox)
      })
      const result = send!()
      await isWaiting(store)
      await locked.commit()
      expect(await result).toBe(expected)
    }
  },
)

const MESSAGES = 20

async function sendAll(store: TestStore, senders: readonly Sender[]) {
  const sends = Array.from({ length: MESSAGES }, () => ({ from: 0, key: 'good', recipients: ['cy@x.test'] }) as const)
  const prepared = await sendingIn(store, NO_CAPS_REACHED)(senders, sends)
  return () => Promise.all(prepared.map((send) => send()))
}

notSupported('postgres', 'its statements are counted by the next test')(
  'the number of statements per send of a batch does not grow',
  async () => {
    await using store = await openTestStore(WITHOUT_YIELDS)
    const send = await sendAll(store, [await store.transaction((tx) => createSender(tx, 0, undefined))])
    const runRows = vi.spyOn(SqliteConnection.prototype, 'runRows')
    const others = (['run', 'executeQuery'] as const).map((name) => vi.spyOn(SqliteConnection.prototype, name))
    expect(await send()).toEqual(Array(MESSAGES).fill('sent'))
    const rows = runRows.mock.calls.reduce((sum, [step]) => sum + step.rows.length, 0)
    const statements = others.reduce((sum, spy) => sum + spy.mock.calls.length, 0)
    // The key, the inbox and the counts of both are the same for all.
    expect({ rows, statements }).toEqual({ rows: 12 * MESSAGES + 7, statements: 2 })
  },
)

notSupported('sqlite', 'it has no server to wait for')(
  'the number of statements and round trips of a batch of sends does not depend on their number',
  async () => {
    const calls = countPostgresCalls()
    await using store = await openTestStore(WITHOUT_YIELDS)
    const send = await sendAll(store, [await store.transaction((tx) => createSender(tx, 0, undefined))])
    await calls.settled()
    calls.take()
    expect(await send()).toEqual(Array(MESSAGES).fill('sent'))
    await calls.settled()
    expect(calls.take()).toEqual({ statements: 21, roundTrips: 6 })
  },
)
