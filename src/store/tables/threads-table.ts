/** Queries for threads: list fields, label counts and participants. Rows only. */
import { type Expression, type SqlBool, sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import { insertRows, rowStep, selectRows, updateRows } from '../row-statements.ts'
import type { AddressKind, MessageRow, ThreadParticipantRow, ThreadRow } from '../schema/message-rows.ts'
import { hasAddress } from './addresses-table.ts'
import { conjunction, containing, limitTo } from './conditions.ts'
import { type Keyset, onePage } from './keyset.ts'
import type { ScannedRow } from './message-scans-table.ts'

export interface ThreadScope {
  readonly organizationId: string
  readonly podId?: string | undefined
  readonly inboxId?: string | undefined
}

export async function get(db: Db, scope: ThreadScope, id: string): Promise<ThreadRow | undefined> {
  return db
    .selectFrom('threads')
    .selectAll()
    .where('id', '=', id)
    .where('organization_id', '=', scope.organizationId)
    .$if(scope.podId !== undefined, (query) => query.where('pod_id', '=', scope.podId!))
    .$if(scope.inboxId !== undefined, (query) => query.where('inbox_id', '=', scope.inboxId!))
    .where('deleting_at', 'is', null)
    .where(ofInboxNotDeleting)
    .executeTakeFirst()
}

/** Excludes inboxes that are being deleted: their threads are hidden at once, although their rows are deleted later. */
const ofInboxNotDeleting = sql<SqlBool>`not exists (select 1 from inboxes
  where inboxes.id = threads.inbox_id and inboxes.deleting_at is not null)`

export async function listByIds(db: Db, ids: readonly string[]): Promise<ThreadRow[]> {
  return ids.length === 0 ? [] : byIds(db, { ids })
}

const byIds = prepareQuery((db, { ids }: { ids: readonly string[] }) =>
  db.selectFrom('threads').selectAll().where('id', 'in', ids),
)

/** The columns that change when a message is added. */
const changingColumns = {
  preview: 'text',
  last_message_id: 'text',
  message_count: 'bigint',
  visible_count: 'bigint',
  size_bytes: 'bigint',
  hidden: 'integer',
  timestamp: 'bigint',
  received_timestamp: 'bigint',
  sent_timestamp: 'bigint',
  updated_at: 'bigint',
} as const

export const threadColumns = {
  id: 'text',
  organization_id: 'text',
  pod_id: 'text',
  inbox_id: 'text',
  subject: 'text',
  deleting_at: 'bigint',
  created_at: 'bigint',
  ...changingColumns,
} as const

export const selectByIds = selectRows<Pick<ThreadRow, 'id'>, ThreadRow>(
  { id: 'text' },
  'select * from threads where id = :id',
)

export const insertAll = insertRows('threads', threadColumns)

/** Stores the fields that change when a message is added. */
export const updateAfterMessage = updateRows('threads', 'id', { id: 'text', ...changingColumns })

export async function update(
  tx: Tx,
  id: string,
  change: Partial<Omit<ThreadRow, 'id' | 'organization_id' | 'pod_id' | 'inbox_id' | 'created_at'>>,
): Promise<void> {
  await tx.updateTable('threads').set(change).where('id', '=', id).execute()
}

/** Adds to the number of the threads' messages with a label: one row per thread and label. */
export const addToLabelCounts = insertRows(
  'thread_labels',
  { thread_id: 'text', label: 'text', message_count: 'bigint' },
  { columns: ['thread_id', 'label'], add: ['message_count'] },
)

/** @param differences label → change in the number of the thread's messages with that label */
export async function changeLabelCounts(
  tx: Tx,
  threadId: string,
  differences: ReadonlyMap<string, number>,
): Promise<void> {
  const rows = [...differences].map(([label, message_count]) => ({ thread_id: threadId, label, message_count }))
  await addLabelCounts(tx, rows)
}

/** Changes the number of the threads' messages with labels: any number of rows per thread and label. */
export async function addLabelCounts(
  tx: Tx,
  differences: readonly { readonly thread_id: string; readonly label: string; readonly message_count: number }[],
): Promise<void> {
  const sums = new Map<string, { thread_id: string; label: string; message_count: number }>()
  for (const { thread_id, label, message_count } of differences) {
    const key = `${thread_id} ${label}`
    const sum = sums.get(key) ?? { thread_id, label, message_count: 0 }
    sum.message_count += message_count
    sums.set(key, sum)
  }
  const changed = [...sums.values()].filter(({ message_count }) => message_count !== 0)
  await tx.runRows([rowStep(addToLabelCounts, changed)])
  const lowered = new Set(changed.flatMap(({ thread_id, message_count }) => (message_count < 0 ? [thread_id] : [])))
  await removeUnusedLabels(tx, [...lowered])
}

/** Removes the labels that no message of a thread has any more: call it after numbers were lowered. */
export async function removeUnusedLabels(tx: Tx, threadIds: readonly string[]): Promise<void> {
  if (threadIds.length === 0) return
  await tx.deleteFrom('thread_labels').where('thread_id', 'in', threadIds).where('message_count', '<=', 0).execute()
}

/** A participant of messages of a thread. */
export type ThreadParticipant = Pick<ThreadParticipantRow, 'kind' | 'address' | 'display'> & {
  /** The number of messages; 1 if omitted. */
  readonly messageCount?: number
}

const participantColumns = {
  thread_id: 'text',
  kind: 'text',
  address: 'text',
  display: 'text',
  message_count: 'bigint',
} as const
const participantKey = ['thread_id', 'kind', 'address'] as const

/** Adds to the number of a participant's messages, and shows it as in the latest one: one row per participant. */
export const addParticipants = insertRows('thread_participants', participantColumns, {
  columns: participantKey,
  add: ['message_count'],
  set: ['display'],
})

/** For removed messages: `message_count` is negative, and the display does not change. */
const subtractParticipants = insertRows('thread_participants', participantColumns, {
  columns: participantKey,
  add: ['message_count'],
})

export function participantRows(
  threadId: string,
  participants: readonly ThreadParticipant[],
  sign: 1 | -1,
): ThreadParticipantRow[] {
  return participants.map(({ kind, address, display, messageCount = 1 }) => ({
    thread_id: threadId,
    kind,
    address,
    display,
    message_count: sign * messageCount,
  }))
}

export async function removeParticipants(
  tx: Tx,
  threadId: string,
  participants: readonly ThreadParticipant[],
): Promise<void> {
  if (participants.length === 0) return
  await tx.runRows([rowStep(subtractParticipants, participantRows(threadId, participants, -1))])
  await tx.deleteFrom('thread_participants').where('thread_id', '=', threadId).where('message_count', '<=', 0).execute()
}

export async function labelsOf(db: Db, threadIds: readonly string[]): Promise<Map<string, string[]>> {
  const byThread = new Map<string, string[]>(threadIds.map((id) => [id, []]))
  if (threadIds.length === 0) return byThread
  for (const row of await labels(db, { threadIds })) byThread.get(row.thread_id)!.push(row.label)
  return byThread
}

const labels = prepareQuery((db, { threadIds }: { threadIds: readonly string[] }) =>
  db
    .selectFrom('thread_labels')
    .select(['thread_id', 'label'])
    .where('thread_id', 'in', threadIds)
    .orderBy('thread_id')
    .orderBy('label'),
)

/** Returns the first `perThread` participants of each thread, ordered by kind (senders first) and address. */
export async function participantsOf(
  db: Db,
  threadIds: readonly string[],
  perThread: number,
): Promise<Map<string, ThreadParticipantRow[]>> {
  const byThread = new Map<string, ThreadParticipantRow[]>(threadIds.map((id) => [id, []]))
  if (threadIds.length === 0) return byThread
  for (const row of await participants(db, { threadIds, perThread })) byThread.get(row.thread_id)!.push(row)
  return byThread
}

const participants = prepareQuery(
  (db, { threadIds, perThread }: { threadIds: readonly string[]; perThread: number }) => {
    const ranked = db
      .selectFrom('thread_participants')
      .selectAll()
      .select(sql<number>`row_number() over (partition by thread_id order by kind desc, address)`.as('rank'))
      .where('thread_id', 'in', threadIds)
    return db
      .selectFrom(ranked.as('ranked'))
      .selectAll()
      .where('rank', '<=', perThread)
      .orderBy('thread_id')
      .orderBy('rank')
  },
)

/** Threads per statement of `contentsOf`: SQLite combines at most 500 selects. */
const THREADS_AT_ONCE = 100

/**
 * Returns the contents of each thread's newest `perThread` messages that have attachments, newest first. The cost does
 * not grow with the length of a thread: each part of the statement ends after `perThread` rows of its index.
 */
export async function contentsOf(
  db: Db,
  threadIds: readonly string[],
  perThread: number,
): Promise<Map<string, string[]>> {
  const byThread = new Map<string, string[]>()
  for (let at = 0; at < threadIds.length; at += THREADS_AT_ONCE) {
    for (const row of await newestContents(db, { threadIds: threadIds.slice(at, at + THREADS_AT_ONCE), perThread })) {
      const contentIds = byThread.get(row.thread_id)
      if (contentIds) contentIds.push(row.content_id)
      else byThread.set(row.thread_id, [row.content_id])
    }
  }
  return byThread
}

const newestContents = prepareQuery(
  (db, { threadIds, perThread }: { threadIds: readonly string[]; perThread: number }) => {
    const each = threadIds.map(
      (id) => sql`select * from (
        select thread_id, content_id from messages where thread_id = ${id} and has_attachments = 1
        order by timestamp desc, id desc ${limitTo(perThread)}) as one`,
    )
    const found = sql<Pick<MessageRow, 'thread_id' | 'content_id'>>`(${sql.join(each, sql` union all `)})`.as('newest')
    return db.selectFrom(found).select(['newest.thread_id', 'newest.content_id'])
  },
)

/** Returns the time of a thread's newest message with a label; null when no message has it. */
export async function latestWith(db: Db, threadId: string, label: string): Promise<number | null> {
  const row = await db
    .selectFrom('messages')
    .innerJoin('message_labels', 'message_labels.message_id', 'messages.id')
    .select('messages.timestamp')
    .where('messages.thread_id', '=', threadId)
    .where('message_labels.label', '=', label)
    .orderBy('messages.timestamp', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.timestamp ?? null
}

export interface ThreadCriteria {
  readonly scope: ThreadScope
  readonly hiddenMask: number
  readonly labels: readonly string[]
  readonly before?: number | undefined
  readonly after?: number | undefined
  readonly senders: readonly string[]
  readonly recipients: readonly string[]
  readonly subject: readonly string[]
  /** In a thread with hidden messages, only this number of its newest messages is compared with the criteria. */
  readonly partMessagesMax: number
}

/** Reads threads in the same way as message-scans-table.ts reads messages. */
export async function scan(db: Db, criteria: ThreadCriteria, keyset: Keyset): Promise<ScannedRow[]> {
  const { labels, senders, recipients, subject } = criteria
  const isFilter = labels.length + senders.length + recipients.length + subject.length > 0
  return isFilter ? scanQuery(db, criteria, keyset).execute() : preparedScan(db, { criteria, keyset })
}

const preparedScan = prepareQuery((db, { criteria, keyset }: { criteria: ThreadCriteria; keyset: Keyset }) =>
  scanQuery(db, criteria, keyset),
)

function scanQuery(db: Db, criteria: ThreadCriteria, keyset: Keyset) {
  const { scope } = criteria
  return db
    .selectFrom('threads')
    .select(['id', 'timestamp as sortKey', sql<unknown>`${conjunction(matchers(criteria))}`.as('matches')])
    .$call((query) => {
      if (scope.inboxId !== undefined) return query.where('inbox_id', '=', scope.inboxId)
      if (scope.podId !== undefined) return query.where('pod_id', '=', scope.podId)
      return query.where('organization_id', '=', scope.organizationId)
    })
    .$if(criteria.before !== undefined, (query) => query.where('timestamp', '<', criteria.before!))
    .$if(criteria.after !== undefined, (query) => query.where('timestamp', '>', criteria.after!))
    .$call((query) => onePage(query, 'timestamp', keyset))
}

function matchers(criteria: ThreadCriteria): Expression<SqlBool>[] {
  const all: Expression<SqlBool>[] = [sql<SqlBool>`threads.deleting_at is null`, ofInboxNotDeleting]
  if (criteria.hiddenMask !== 0) all.push(sql<SqlBool>`(hidden & ${criteria.hiddenMask}) = 0`)
  const { labels, senders, recipients, subject } = criteria
  for (const label of labels) all.push(wholeOrShown(criteria, hasLabel(label), showsLabel(criteria, label)))
  for (const text of senders) all.push(participates(criteria, 'sender', ['from'], text))
  for (const text of recipients) all.push(participates(criteria, 'recipient', ['to', 'cc', 'bcc'], text))
  for (const text of subject) {
    const whole = containing(sql.ref('threads.subject'), text)
    all.push(wholeOrShown(criteria, whole, showsSubject(criteria, text)))
  }
  return all
}

/**
 * The stored fields of a thread cover all its messages. If one of these is hidden, the criteria are compared with the
 * other messages instead: otherwise a filter would reveal the content of a message that the caller may not see.
 */
function wholeOrShown(
  { hiddenMask }: ThreadCriteria,
  ofWhole: Expression<SqlBool>,
  ofShown: Expression<SqlBool>,
): Expression<SqlBool> {
  if (hiddenMask === 0) return ofWhole
  return sql<SqlBool>`case when threads.visible_count = threads.message_count then ${ofWhole} else ${ofShown} end`
}

/** Selects the newest messages of a thread that may be shown, as `shown`. Their number is bounded. */
function shownMessages({ hiddenMask, partMessagesMax }: ThreadCriteria) {
  const newest = sql`select messages.id, messages.hidden, messages.subject, messages.timestamp, messages.content_id
    from messages where messages.thread_id = threads.id order by messages.timestamp desc, messages.id desc ${limitTo(partMessagesMax)}`
  return sql`(select * from (${newest}) as newest where (newest.hidden & ${hiddenMask}) = 0) as shown`
}

function hasLabel(label: string): Expression<SqlBool> {
  return sql<SqlBool>`exists (select 1 from thread_labels
    where thread_labels.thread_id = threads.id and thread_labels.label = ${label})`
}

function showsLabel(criteria: ThreadCriteria, label: string): Expression<SqlBool> {
  return sql<SqlBool>`exists (select 1 from ${shownMessages(criteria)}
    join message_labels on message_labels.message_id = shown.id where message_labels.label = ${label})`
}

/** The subject of a part is that of its oldest message. */
function showsSubject(criteria: ThreadCriteria, text: string): Expression<SqlBool> {
  const oldest = sql`select shown.subject from ${shownMessages(criteria)} order by shown.timestamp, shown.id limit 1`
  return sql<SqlBool>`exists (select 1 from (${oldest}) as oldest where ${containing(sql.ref('oldest.subject'), text)})`
}

function participates(
  criteria: ThreadCriteria,
  kind: ThreadParticipantRow['kind'],
  fields: readonly AddressKind[],
  text: string,
): Expression<SqlBool> {
  const whole = sql<SqlBool>`exists (select 1 from thread_participants where thread_participants.thread_id = threads.id
    and thread_participants.kind = ${kind} and ${containing(sql.ref('thread_participants.display'), text)})`
  // As formatAddress writes it, with quotes around the name or without.
  const plain = sql`coalesce(sent.name || ' <' || sent.address || '>', sent.address)`
  const quoted = sql`coalesce('"' || sent.name || '" <' || sent.address || '>', sent.address)`
  const isFound = sql<SqlBool>`(${containing(plain, text)} or ${containing(quoted, text)})`
  const message = { id: sql.ref('shown.id'), contentId: sql.ref('shown.content_id'), from: shownMessages(criteria) }
  return wholeOrShown(criteria, whole, hasAddress(message, fields, isFound))
}

/** Deletes threads with their labels, participants and references. */
export async function remove(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx.deleteFrom('threads').where('id', 'in', ids).execute()
}
