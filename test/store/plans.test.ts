/**
 * Tests that the cost of a message, a list or a queue query does not grow with the inbox: it runs `explain query plan`
 * on the statements that the table functions produce.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import type { Db, Tx } from '../../src/store/handles.ts'
import { claimDrafts, claimRecipients, claimWebhookDeliveries } from '../../src/store/leases.ts'
import type { Schema } from '../../src/store/schema/schema.ts'
import { StableLimitCompiler } from '../../src/store/sqlite/sqlite-query-compiler.ts'
import * as addresses from '../../src/store/tables/addresses-table.ts'
import * as apiKeys from '../../src/store/tables/api-keys-table.ts'
import * as drafts from '../../src/store/tables/drafts-table.ts'
import * as events from '../../src/store/tables/events-table.ts'
import * as idempotency from '../../src/store/tables/idempotency-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as listEntries from '../../src/store/tables/list-entries-table.ts'
import * as messageScans from '../../src/store/tables/message-scans-table.ts'
import * as messages from '../../src/store/tables/messages-table.ts'
import * as placedMessages from '../../src/store/tables/placed-messages-table.ts'
import * as queue from '../../src/store/tables/queue-table.ts'
import { getReceiving, getReceivingByOwnAddress } from '../../src/store/tables/receiving-inboxes-table.ts'
import * as rollups from '../../src/store/tables/rollups-table.ts'
import * as scheduledDrafts from '../../src/store/tables/scheduled-drafts-table.ts'
import * as search from '../../src/store/tables/search-index-table.ts'
import * as submissions from '../../src/store/tables/submissions-table.ts'
import * as tenants from '../../src/store/tables/tenants-table.ts'
import * as threads from '../../src/store/tables/threads-table.ts'
import * as uploads from '../../src/store/tables/uploads-table.ts'
import * as usage from '../../src/store/tables/usage-table.ts'
import * as webhookDeliveries from '../../src/store/tables/webhook-deliveries-table.ts'
import * as lines from '../../src/store/tables/webhook-ordering-table.ts'
import * as webhooks from '../../src/store/tables/webhooks-table.ts'
import * as wholeMessages from '../../src/store/tables/whole-messages-table.ts'
import { openTestStore } from './test-store.ts'

const page = { limit: 50, ascending: false }
const next = { ...page, after: { key: 1, id: 'x' } }
const criteria = { inboxId: 'i', hiddenMask: 15, labels: ['a'], from: [], to: [], subject: [] }
const waiting = { hiddenMask: 0, organizationId: 'o', states: ['queued', 'held'] as const }
const threadCriteria = { hiddenMask: 15, labels: [], senders: [], recipients: [], subject: [], partMessagesMax: 500 }
const filtered = { labels: ['a'], senders: ['a'], recipients: ['a'], subject: ['a'] }

const range = { afterSeq: 1, throughSeq: 9, types: ['message.sent'], organizationId: 'o', inboxIds: [], podIds: [] }

const counted = { afterSeq: 1, throughSeq: 9, descending: true, withPayload: true }
const counts = { from: 1, before: 2, metrics: ['m'], types: ['m'], consumer: 'c', logRowsMax: 9 }

const flow = { domain: 'd', podId: 'p' }
const claim = { owner: 'o', untilMs: 2, limit: 10, interrupted: { interruptionsBelow: 1, setAsideFrom: 3 } }

/** Turns a Db into a Tx, for statements that write; the database is empty, so they change nothing. */
function asTx(db: Db): Tx {
  return Object.assign(db, { now: 1, leaseNow: 1, skipLocked: (query: unknown) => query }) as unknown as Tx
}

const statements: [name: string, run: (db: Db) => Promise<unknown>, index: string][] = [
  ['get a message', (db) => messages.getByApiId(db, 'i', 'h'), 'messages_api_id'],
  ['get a message with its bodies', (db) => wholeMessages.getByApiId(db, 'i', 'h', 9), 'messages_api_id'],
  ['find many messages by their Message-IDs', (db) => messages.keysByApiIds(db, 'i', ['h', 'j']), 'messages_api_id'],
  ...[
    ['the newest message', (db: Db) => messages.newestByHeaderId(db, 'i', 'h')] as const,
    ['a sent message', (db: Db) => submissions.findSentMessage(db, 'i', 'h')] as const,
    [
      'the copies of a message',
      (db: Db) => placedMessages.listOwn(db, { inboxId: 'i', idHash: 'h', fingerprint: 'f' }),
    ] as const,
    [
      'the message that another one answers',
      (db: Db) => placedMessages.findLabelled(db, { inboxId: 'i', idHash: 'h', label: 'received' }),
    ] as const,
  ].flatMap(([what, run]): (typeof statements)[number][] => [
    [`find ${what} by its Message-ID`, run, 'messages_api_id (inbox_id=? AND api_message_id_hash=?)'],
    [
      `find ${what} by a Message-ID that clients do not see`,
      run,
      'messages_by_header_id (inbox_id=? AND header_message_id_hash=?)',
    ],
  ]),
  ['find where a search before a time begins', (db) => search.oldestAfter(db, 'i', 1), 'messages_by_inbox'],
  ['find where a search after a time ends', (db) => search.newestBefore(db, 'i', 1), 'messages_by_inbox'],
  [
    'find the numbers of messages near the end of a search by time',
    (db) => search.numbersAt(db, 'i', { from: 1, through: 2, limit: 3 }),
    'messages_by_inbox',
  ],
  [
    'read the messages that a search compares',
    (db) => search.listInRange(db, { inboxId: 'i', after: 1, before: 9, limit: 9 }),
    'messages_by_number',
  ],
  [
    'read the messages that the index names',
    (db) => search.listByNumbers(db, 'i', [1, 2]),
    'messages USING INTEGER PRIMARY KEY',
  ],
  ['read the text index', (db) => search.slicesOf(db, [1, 2], [1, 200]), 'search_chunks USING INTEGER PRIMARY KEY'],
  [
    'find the block of a deleted message',
    (db) => search.listContaining(db, 'i', [1, 2]),
    'search_blocks_by_inbox (inbox_id=? AND kind=? AND last_number>?)',
  ],
  [
    'read the addresses of messages',
    (db) => addresses.addressesOf(db, [{ id: 'm', content_id: 'c', envelope_recipient: 'a@b.c' }]),
    'content_addresses USING PRIMARY KEY (content_id=?)',
  ],
  [
    'read the Bcc addresses of messages',
    (db) => addresses.bccOf(db, [{ id: 'm', envelope_recipient: null }]),
    'message_bcc USING PRIMARY KEY (message_id=?)',
  ],
  [
    'compare the newer messages of a thread that a search finds',
    (db) => search.listInThread(db, 'i', { threadId: 't', newerThan: 1, from: 1, through: 9 }, next),
    'messages_by_thread',
  ],
  [
    'list the inboxes of an organization for a search',
    (db) => inboxes.listNames(db, { organizationId: 'o' }, next),
    'inboxes_by_organization',
  ],
  [
    'list the inboxes of a pod for a search',
    (db) => inboxes.listNames(db, { organizationId: 'o', podId: 'p' }, next),
    'inboxes_by_pod',
  ],
  [
    'find the newest message of inboxes',
    (db) => inboxes.listNewest(db, { organizationId: 'o' }, next),
    'messages_by_number (inbox_id=?)',
  ],
  [
    'list the blocks of the text index',
    (db) => search.listBlocks(db, { inboxId: 'i', kind: 'text', textFunction: 't', before: 9, limit: 9 }),
    'search_blocks_by_inbox',
  ],
  ['list an inbox', (db) => messageScans.scan(db, criteria, page), 'messages_by_inbox'],
  ['list an inbox, next page', (db) => messageScans.scan(db, criteria, next), 'messages_by_inbox'],
  ['list an inbox, with its rows', (db) => messageScans.scanItems(db, criteria, next), 'messages_by_inbox'],
  ['read a thread', (db) => messages.listByThread(db, 't', next), 'messages_by_thread'],
  ['list the attachments of threads', (db) => threads.contentsOf(db, ['t', 'u'], 100), 'messages_with_attachments'],
  [
    'list threads of an organization',
    (db) => threads.scan(db, { ...threadCriteria, scope: { organizationId: 'o' } }, next),
    'threads_by_organization',
  ],
  [
    'list threads of a pod',
    (db) => threads.scan(db, { ...threadCriteria, scope: { organizationId: 'o', podId: 'p' } }, next),
    'threads_by_pod',
  ],
  [
    'list threads of an inbox',
    (db) => threads.scan(db, { ...threadCriteria, scope: { organizationId: 'o', inboxId: 'i' } }, next),
    'threads_by_inbox',
  ],
  ...['threads_by_inbox', 'messages_by_thread (thread_id=?)', 'SEARCH message_labels', 'SEARCH sent'].map(
    (index): (typeof statements)[number] => [
      `filter threads of which some messages are hidden (${index})`,
      (db) => threads.scan(db, { ...threadCriteria, ...filtered, scope: { organizationId: 'o', inboxId: 'i' } }, next),
      index,
    ],
  ),
  [
    'find the newest message that is shown of a thread',
    (db) => messages.newestInThread(db, 't', { isShown: true }),
    'messages_by_thread',
  ],
  ['see what hides messages', (db) => messages.hiddenMasks(db, ['m', 'n']), '(id=?)'],
  ['see where messages of events are', (db) => messages.listInThreads(db, ['m', 'n']), 'messages USING INDEX'],
  ...[['organization'], ['pod', 'p'], ['inbox', 'p', 'i']].map(
    ([level, podId, inboxId]): (typeof statements)[number] => [
      `list drafts of an ${level}`,
      (db) => drafts.scan(db, { scope: { organizationId: 'o', podId, inboxId }, labels: ['a'] }, next),
      `drafts_by_${level}`,
    ],
  ),
  ['find the suppressions of an address', (db) => listEntries.listSuppressions(db, 'a@b.c'), 'list_entries_of_server'],
  ['find a draft by its client_id', (db) => drafts.getByClientId(db, 'i', 'c', 1), 'drafts_client_id'],
  ['count the drafts of an inbox', (db) => drafts.hasAtLeast(db, 'i', 1_000), 'COVERING INDEX drafts_by_inbox'],
  ['list the parts of drafts', (db) => drafts.listParts(db, ['d', 'e']), 'draft_parts_by_draft'],
  ['find the next due draft', (db) => scheduledDrafts.nextDue(db, 1, claim.interrupted), 'drafts_due'],
  ['claim due drafts', (db) => claimDrafts(asTx(db), { ...claim, podId: 'p', now: 0 }), 'drafts_due_by_pod'],
  [
    'find pods with scheduled drafts',
    (db) =>
      scheduledDrafts.listSchedulingPods(db, {
        after: '',
        limit: 9,
        now: 1,
        leaseNow: 1,
        interrupted: claim.interrupted,
      }),
    'later USING COVERING INDEX drafts_due_by_pod (pod_id>?)',
  ],
  ['find the next due recipient', (db) => submissions.nextDue(db, 1, claim.interrupted), 'recipients_due'],
  ['list the queue', (db) => queue.listOpen(db, waiting, next, 1), 'recipients_open '],
  ['list the queue, held', (db) => queue.listOpen(db, { ...waiting, states: ['held'] }, next, 1), 'recipients_open '],
  [
    'list the queue of an inbox',
    (db) => queue.listOpen(db, { ...waiting, inboxId: 'i' }, next, 1),
    'recipients_open_by_inbox ',
  ],
  [
    'find flows with queued recipients',
    (db) => submissions.listFlows(db, { after: flow, limit: 10, now: 1, leaseNow: 1, interrupted: claim.interrupted }),
    'SEARCH later USING COVERING INDEX recipients_by_flow ((domain,pod_id)>(?,?))',
  ],
  [
    'find out whether a flow is due',
    (db) => submissions.listFlows(db, { after: flow, limit: 10, now: 1, leaseNow: 1, interrupted: claim.interrupted }),
    'recipients_by_flow (domain=? AND pod_id=? AND next_attempt_at<?)',
  ],
  [
    'make recipients due that wait for an inbox',
    (db) => queue.makeDue(asTx(db), { localPart: 'l', domain: 'd' }),
    'SEARCH recipients USING INDEX recipients_by_flow (domain=?)',
  ],
  [
    'claim recipients of a flow',
    (db) => claimRecipients(asTx(db), { ...claim, ...flow, submissions: 10 }),
    'recipients_by_flow (domain=? AND pod_id=? AND next_attempt_at<?)',
  ],
  ['find an inbox by its address', (db) => inboxes.getByAddress(db, 'a'), '(address=?)'],
  [
    'find the inbox that gets mail for an address: as its own',
    async (db) => getReceivingByOwnAddress(db, 'a'),
    'SEARCH inboxes USING INDEX sqlite_autoindex_inboxes_2 (address=?)',
  ],
  [
    'find the inbox that gets mail for an address: as an alias',
    (db) => getReceiving(db, { address: 'a', domain: 'd' }),
    'SEARCH inbox_aliases USING PRIMARY KEY (address=?)',
  ],
  [
    'find the inbox that gets mail for an address: of the domain',
    (db) => getReceiving(db, { address: 'a', domain: 'd' }),
    'domains_holder (domain=?)',
  ],
  ['find many inboxes by their ids', (db) => inboxes.listByIds(db, ['a', 'b']), '(id=?)'],
  ['find many inboxes by their addresses', (db) => inboxes.listByAddresses(db, ['a', 'b']), '(address=?)'],
  ['find many pods by their ids', (db) => tenants.listPodsByIds(db, 'o', ['a', 'b']), '(id=?)'],
  [
    'find many pods by their client ids',
    (db) => tenants.listPodsByClientIds(db, 'o', ['a', 'b']),
    'pods_client_id (organization_id=? AND client_id=?)',
  ],
  ['find an inbox by its client_id', (db) => inboxes.getByClientId(db, 'p', 'c'), 'inboxes_client_id'],
  [
    'find a webhook by its client_id',
    (db) => webhooks.getByClientId(db, { organizationId: 'o', podId: 'p' }, 'profile', 'c'),
    'webhooks_client_id (<expr>=? AND profile=? AND client_id=?)',
  ],
  [
    'find what else an Idempotency-Key was used for',
    (db) => idempotency.listOfScope(db, 's', 'k', 1),
    'idempotency_keys_by_scope (scope_id=? AND key=?)',
  ],
  ['list inboxes', (db) => inboxes.list(db, { organizationId: 'o' }, next), 'inboxes_by_organization'],
  ['authenticate', (db) => apiKeys.getByHash(db, 'h'), '(key_hash=?)'],
  [
    'find webhooks with pending deliveries',
    (db) => webhookDeliveries.listDueWebhooks(db, 1),
    'webhook_deliveries_by_webhook',
  ],
  [
    'find the first due delivery of a webhook',
    (db) => webhookDeliveries.listDueWebhooks(db, 1),
    'SEARCH d USING INDEX webhook_deliveries_by_webhook (webhook_id=?)',
  ],
  [
    'claim deliveries of a webhook',
    (db) => claimWebhookDeliveries(asTx(db), { ...claim, webhookId: 'w', term: 1 }),
    'USING INDEX webhook_deliveries_by_webhook (webhook_id=? AND next_attempt_at<?)',
  ],
  [
    'cancel pending deliveries of a webhook',
    (db) => webhookDeliveries.listBefore(db, 'w', 1, 10),
    'INDEX webhook_deliveries_by_webhook (webhook_id=?)',
  ],
  [
    'cancel blocked deliveries of a webhook',
    (db) => webhookDeliveries.listBefore(db, 'w', 1, 10),
    'INDEX webhook_deliveries_waiting (webhook_id=?)',
  ],
  [
    'remove old deliveries',
    (db) => webhookDeliveries.listOlderThan(db, 1, 10),
    'webhook_deliveries_by_age (created_at<?)',
  ],
  [
    'list the events of an inbox',
    (db) => events.listOfInbox(db, 'i', { after: 9, ascending: false, limit: 10 }),
    'events_by_inbox (inbox_id=? AND seq<?)',
  ],
  [
    'find the events of a message',
    (db) => events.listOfMessage(db, { inboxId: 'i', messageId: 'm', afterSeq: 9 }, ['label.added'], 10),
    'events_by_inbox (inbox_id=? AND seq>?)',
  ],
  ['find a time in the log', (db) => events.listAges(db, 9, 1), 'PRIMARY KEY (rowid>?)'],
  [
    'list a range of the log',
    (db) => events.listSelected(db, { ...range, from: 1, before: 2 }, 10),
    'PRIMARY KEY (rowid>? AND rowid<?)',
  ],
  [
    'list hourly counts',
    (db) => rollups.listCounts(db, { ...counts, scope: { organizationId: 'o', podId: 'p' } }),
    'SEARCH rollups USING PRIMARY KEY (scope_id=? AND hour>? AND hour<?)',
  ],
  [
    'list events that are not in the hourly counts',
    (db) => rollups.listCounts(db, { ...counts, scope: { organizationId: 'o' } }),
    'SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)',
  ],
  ['remove old hourly counts', (db) => rollups.removeOlderThan(asTx(db), 1, 10), 'rollups_by_age (hour<?)'],
  [
    'list the events of an inbox that are counted',
    (db) => events.listCounted(db, { organizationId: 'o', podId: 'p', inboxId: 'i' }, counted, 10),
    'events_by_inbox (inbox_id=? AND seq>? AND seq<?)',
  ],
  [
    'list the events of an organization that are counted',
    (db) => events.listCounted(db, { organizationId: 'o' }, counted, 10),
    'SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)',
  ],
  [
    'list snapshots of usage',
    (db) => usage.listSnapshots(db, 's', { from: 1, through: 2 }),
    'SEARCH usage_snapshots USING PRIMARY KEY (scope_id=? AND at>? AND at<?)',
  ],
  [
    'add up the counters of the inboxes of a pod',
    (db) => usage.sumCounters(db, { organizationId: 'o', podId: 'p' }, 10),
    'inboxes_by_pod (pod_id=?)',
  ],
  ['check which messages match', (db) => messageScans.listMatching(db, criteria, ['m', 'n']), '(id=?)'],
  [
    'check whether an ordering key has a pending delivery',
    (db) => lines.makeNextPending(asTx(db), { webhookId: 'w', key: 'k' }),
    'SEARCH first USING INDEX webhook_deliveries_pending_key (webhook_id=? AND ordering_key=?)',
  ],
  [
    'find the next delivery of an ordering key',
    (db) => lines.makeNextPending(asTx(db), { webhookId: 'w', key: 'k' }),
    'INDEX webhook_deliveries_waiting (webhook_id=? AND ordering_key=?)',
  ],
  [
    'list ordering keys',
    (db) => lines.listKeysWithWaiting(db, 'w', 'l', 10),
    'COVERING INDEX webhook_deliveries_waiting (webhook_id=? AND ordering_key>?)',
  ],
  [
    'unblock deliveries of a webhook',
    (db) => lines.makeAllPending(asTx(db), 'w', 10),
    'INDEX webhook_deliveries_waiting (webhook_id=?)',
  ],
  [
    'list deliveries without an ordering key',
    (db) => lines.listWithoutKey(db, 'w', 1, 10),
    'INDEX webhook_deliveries_by_webhook (webhook_id=?)',
  ],
  [
    'count the uploads of an organization',
    (db) => uploads.totalsOf(db, { organizationId: 'o', podId: undefined }, { now: 2, openSince: 1 }),
    'uploads_by_organization (organization_id=? AND expires_at>?)',
  ],
  ['delete expired uploads', (db) => uploads.removeExpired(asTx(db), 1, 10), 'uploads_by_expiry (expires_at<?)'],
  [
    'list webhooks of a pod',
    (db) => webhooks.list(db, { organizationId: 'o', podId: 'p' }, 'profile', next),
    'webhooks_by_pod',
  ],
  [
    'list webhooks of an inbox',
    (db) => webhooks.list(db, { organizationId: 'o', podId: 'p', inboxId: 'i' }, 'profile', next),
    'webhooks_by_inbox',
  ],
  ['deliveries of a message', (db) => submissions.listRecipients(db, 'm', 1), 'recipients_by_message'],
]

test.each(statements)('%s: uses an index and sorts no whole table', async (name, run, index) => {
  const plan = await planOf(run)
  expect(plan.join('\n')).toContain(index)
  if (name.startsWith('list')) expect(plan).not.toContain('USE TEMP B-TREE FOR ORDER BY')
  expect(
    plan.filter((step) =>
      /^SCAN (messages|threads|inboxes|api_keys|webhooks|webhook_deliveries|events|rollups|usage_snapshots|last|d|later|next)\b/.test(
        step,
      ),
    ),
  ).toEqual([])
})

test('a limit is an expression: SQLite would prepare a statement with a bare parameter again at each run', async () => {
  await using store = await openTestStore()
  const { sql, parameters } = store.db.selectFrom('messages').select('id').limit(5).compile()
  expect(sql).toBe('select "id" from "messages" limit (? + 0)')
  expect(parameters).toEqual([5])
})

/** Compiles as the store does: SQLite chooses its plan for that text. */
class OurDialect extends SqliteDialect {
  override createQueryCompiler(): StableLimitCompiler {
    return new StableLimitCompiler()
  }
}

async function planOf(run: (db: Db) => Promise<unknown>): Promise<string[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const store = await openTestStore({ dataDir })
  await store.close()
  const database = new BetterSqlite(join(dataDir, 'martlet.db'))
  const compiled: { sql: string; parameters: readonly unknown[] }[] = []
  const db = new Kysely<Schema>({
    dialect: new OurDialect({ database }),
    log: ({ query }) => {
      compiled.push({ sql: query.sql, parameters: query.parameters })
    },
  })
  await run(db)
  const steps = compiled.flatMap(({ sql, parameters }) =>
    database.prepare(`explain query plan ${sql}`).all(...parameters),
  ) as { detail: string }[]
  await db.destroy()
  return steps.map(({ detail }) => detail)
}
