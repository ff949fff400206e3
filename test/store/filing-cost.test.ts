/**
 * Tests what filing costs the database: statements per received message, pages that a commit writes on SQLite, and how often
 * the writer of PostgreSQL waits for the server. All grow unnoticed, and cost more than most of our code.
 */
import { sql } from 'kysely'
import { afterEach, expect, vi } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createDiscardBlobs } from '../../src/mail/messages/content/discard-blobs.ts'
import { createPrepareContent } from '../../src/mail/messages/content/prepared-content.ts'
import { createFiling } from '../../src/mail/messages/filing/file-messages.ts'
import { createFileReceived } from '../../src/mail/receiving/file-received.ts'
import type { InboxRow } from '../../src/store/schema/tenant-rows.ts'
import { Checkpointer } from '../../src/store/sqlite/checkpointer.ts'
import { SqliteConnection } from '../../src/store/sqlite/sqlite-connection.ts'
import type { RUN_LATER } from '../../src/store/store.ts'
import { createParserHere } from '../support/parse-here.ts'
import { countPostgresCalls } from '../support/postgres-calls.ts'
import { notSupported } from '../support/test-database.ts'
import { insertInbox } from './rows.ts'
import { asKysely, openTestStore, type TestStore } from './test-store.ts'

const limits = withLimits({})
const MESSAGES = 20
/** On a busy machine, a transaction that yields waits for the server once more. */
const WITHOUT_YIELDS = { limits: { store: { turnMs: 60_000 } } }

/** All that are looked up for a message. */
const TABLES_OF_FILING = `('contents', 'inboxes', 'messages', 'thread_labels', 'thread_participants', 'thread_references', 'threads')`

afterEach(() => vi.restoreAllMocks())

/** Receives messages to different inboxes, as one batch. @param refersTo the Message-ID that message `index` replies to */
async function receive(
  store: TestStore,
  inboxes: readonly InboxRow[],
  refersTo?: (index: number) => string,
  { hasLists = false, failing }: { readonly hasLists?: boolean; readonly failing?: number } = {},
) {
  const discardBlobs = createDiscardBlobs({ store, log: createLog('silent') })
  const mailParser = createParserHere(limits)
  const prepareContent = createPrepareContent({ store, mailParser, discardBlobs, limits })
  const fileMessages = createFiling({ limits, domain: 'mail.test' })
  const fileReceived = createFileReceived({
    allowLists: 'authenticated',
    senderChallenges: 'off',
    fileMessages,
    limits,
  })
  const contents = await Promise.all(
    inboxes.map((_inbox, index) => {
      const reply = refersTo ? `In-Reply-To: <${refersTo(index)}>\r\n` : ''
      const id = `${hasLists ? 'listed' : refersTo ? 'reply' : 'first'}${index}@x.test`
      const raw = `From: ann@x.test\r\nTo: ada@x.test\r\nMessage-ID: <${id}>\r\n${reply}Subject: s\r\n\r\nhello ${index}\r\n`
      return prepareContent({ fairnessKey: 'x', raw: Buffer.from(raw), bytesMax: 10_000 })
    }),
  )
  const file = store.batched<number, unknown>({
    async run(tx, items) {
      const results = await fileReceived(
        tx,
        items.map((index) => ({
          sender: 'ann@x.test',
          verifiedDomain: undefined,
          recipients: [
            {
              recipient: inboxes[index]!.address,
              inbox: { ...inboxes[index]!, has_inbound_lists: hasLists ? 1 : 0, domain: 'mail.localhost' },
              authentication: { result: 'unverified' as const },
            },
          ],
          content: contents[index]!,
          decision: { labels: [] },
          remoteAddress: undefined,
          isFromOwnDomain: false,
          isFromQueue: false,
        })),
      )
      if (items.includes(failing ?? -1)) throw new Error('planted')
      return results satisfies readonly (unknown | typeof RUN_LATER)[]
    },
    sizeBytes: () => 1,
  })
  const outcomes = await Promise.allSettled(inboxes.map((_inbox, index) => file(index)))
  const failed = outcomes.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []))
  expect(failed).toEqual(failing === undefined ? [] : [failing])
}

/** Returns a function that counts what PostgreSQL is asked during a call, with the notification of its commit. Call it before the store is opened. */
function countCalls() {
  const calls = countPostgresCalls()
  return async (act: () => Promise<void>) => {
    await calls.settled()
    calls.take()
    await act()
    await calls.settled()
    return calls.take()
  }
}

async function createInboxes(store: TestStore): Promise<InboxRow[]> {
  for (let index = 0; index < MESSAGES; index += 1) await store.transaction((tx) => insertInbox(tx))
  // On the connection of the writer: a reader reports what it has read at some later time, also in the middle of a test that counts it.
  return store.transaction((tx) => tx.selectFrom('inboxes').selectAll().orderBy('id').execute())
}

notSupported('postgres', 'its statements are counted by the next test')(
  'the number of statements per message does not grow',
  async () => {
    await using store = await openTestStore(WITHOUT_YIELDS)
    const inboxes = await createInboxes(store)
    let rows = 0
    let statements = 0
    const runRows = vi.spyOn(SqliteConnection.prototype, 'runRows')
    const others = [vi.spyOn(SqliteConnection.prototype, 'run'), vi.spyOn(SqliteConnection.prototype, 'executeQuery')]
    const count = async (act: () => Promise<void>) => {
      vi.clearAllMocks()
      await act()
      rows = runRows.mock.calls.reduce((sum, [step]) => sum + step.rows.length, 0) / MESSAGES
      statements = others.reduce((sum, spy) => sum + spy.mock.calls.length, 0)
    }
    await count(() => receive(store, inboxes))
    expect({ rows, statements }).toEqual({ rows: 15, statements: 2 })
    await count(() => receive(store, inboxes, (index) => `first${index}@x.test`))
    // The threads of replies are read for their events.
    expect({ rows, statements }).toEqual({ rows: 19, statements: 2 })
    // In organizations with lists for received mail: the address and its domains in three scopes, their allow lists, and
    // whether the inbox has sent the message that is answered.
    await count(() => receive(store, inboxes, (index) => `first${index}@y.test`, { hasLists: true }))
    expect({ rows, statements }).toEqual({ rows: 30, statements: 2 })
  },
)

notSupported('postgres', 'it does not say which pages a commit writes')(
  'the number of pages that a commit writes does not grow',
  async () => {
    await using store = await openTestStore(WITHOUT_YIELDS)
    const inboxes = await createInboxes(store)
    const afterCommit = vi.spyOn(Checkpointer.prototype, 'afterCommit')
    const logPages = () => afterCommit.mock.calls.at(-1)![0].log
    await receive(store, inboxes.slice(2))
    const pagesOf = async (act: () => Promise<void>) => {
      const before = logPages()
      await act()
      return logPages() - before
    }
    // Of each table and index with a row for the message one, and those with new pages.
    expect(await pagesOf(() => receive(store, inboxes.slice(0, 1)))).toBe(28)
    expect(await pagesOf(() => receive(store, inboxes.slice(0, 1), () => 'first0@x.test'))).toBe(25)
    expect(afterCommit).toHaveBeenCalledTimes(3)
  },
)

notSupported('sqlite', 'it has no server to wait for')(
  'the number of statements and round trips of a batch does not grow',
  async () => {
    const count = countCalls()
    await using store = await openTestStore(WITHOUT_YIELDS)
    const inboxes = await createInboxes(store)
    expect(await count(() => receive(store, inboxes))).toEqual({ statements: 17, roundTrips: 4 })
    // The threads of replies are read for their events.
    const replies = () => receive(store, inboxes, (index) => `first${index}@x.test`)
    expect(await count(replies)).toEqual({ statements: 20, roundTrips: 4 })
    // The entries of lists, and what the messages answer.
    const listed = () => receive(store, inboxes, (index) => `first${index}@y.test`, { hasLists: true })
    expect(await count(listed)).toEqual({ statements: 22, roundTrips: 4 })
  },
)

notSupported('sqlite', 'it has no server to wait for')(
  'the number of statements and round trips of a batch in which one message fails does not grow',
  async () => {
    const count = countCalls()
    await using store = await openTestStore(WITHOUT_YIELDS)
    const inboxes = await createInboxes(store)
    const failing = () => receive(store, inboxes, undefined, { failing: 7 })
    expect(await count(failing)).toEqual({ statements: 91, roundTrips: 19 })
  },
)

// The plan of a prepared statement is kept while its table grows, and an empty table is read whole fastest.
notSupported('sqlite', 'it plans without the size of a table')(
  'no table is read whole, even if it was empty when the statement was planned',
  async () => {
    await using store = await openTestStore(WITHOUT_YIELDS)
    const inboxes = await createInboxes(store)
    const run = (statement: string) =>
      store.transaction(async (tx) => (await sql.raw(statement).execute(asKysely(tx))).rows)
    await run('analyze')
    const read = async () => {
      await run('select pg_stat_force_next_flush()')
      return run(
        `select relname, seq_scan from pg_stat_user_tables where relname in ${TABLES_OF_FILING} order by relname`,
      )
    }
    const before = await read()
    expect(before).toHaveLength(7)
    await receive(store, inboxes)
    await receive(store, inboxes, (index) => `first${index}@x.test`)
    expect(await read()).toEqual(before)
  },
)
