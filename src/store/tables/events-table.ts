/** Queries for the event log. Rows only; the store numbers and inserts them at commit, mail/events reads and purges. */
import { sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import { insertRows } from '../row-statements.ts'
import type { EventLogRow, EventRow } from '../schema/event-rows.ts'
import { narrowest, type ScopeIds } from './conditions.ts'

/** The columns of an event that has no number yet. */
export const UNNUMBERED_COLUMNS = {
  event_id: 'text',
  at: 'bigint',
  organization_id: 'text',
  pod_id: 'text',
  inbox_id: 'text',
  type: 'text',
  visibility: 'text',
  actor: 'text',
  message_id: 'text',
  payload: 'text',
} as const

export const insertAll = insertRows('events', { seq: 'bigint', ...UNNUMBERED_COLUMNS })

/** Returns the log's identity and bounds: retained events have a seq in (floor_seq, last_seq]. */
export async function requireLog(db: Db): Promise<EventLogRow> {
  const [row] = await log(db, {})
  if (!row) throw new Error('the event log has no row')
  return row
}

const log = prepareQuery((db) => db.selectFrom('event_log').selectAll())

/** As `requireLog`, with the number of the inbox's newest message at the same moment; null: it has no message. */
export async function requireLogOfInbox(db: Db, inboxId: string): Promise<EventLogRow & { newest: number | null }> {
  const [row] = await logOfInbox(db, { inboxId })
  if (!row) throw new Error('the event log has no row')
  return row
}

const logOfInbox = prepareQuery((db, { inboxId }: { inboxId: string }) =>
  db
    .selectFrom('event_log')
    .selectAll()
    .select(({ selectFrom }) =>
      selectFrom('messages')
        .select(({ fn }) => fn.max('messages.number').as('newest'))
        .where('messages.inbox_id', '=', inboxId)
        .as('newest'),
    ),
)

/** Returns the id of the event with a number; undefined when there is none, or it was purged. */
export async function getEventId(db: Db, seq: number): Promise<string | undefined> {
  const row = await db.selectFrom('events').select('event_id').where('seq', '=', seq).executeTakeFirst()
  return row?.event_id
}

/** Returns the time of the newest event, epoch ms; 0: the log is empty. */
export async function newestTime(db: Db): Promise<number> {
  const newest = await db.selectFrom('events').select('at').orderBy('seq', 'desc').limit(1).executeTakeFirst()
  return newest?.at ?? 0
}

/** Lists all events after a number, in order. */
export async function listAfter(db: Db, afterSeq: number, limit: number): Promise<EventRow[]> {
  return eventsAfter(db, { afterSeq, limit })
}

const eventsAfter = prepareQuery((db, { afterSeq, limit }: { afterSeq: number; limit: number }) =>
  db.selectFrom('events').selectAll().where('seq', '>', afterSeq).orderBy('seq').limit(limit),
)

export interface EventSelection {
  /** Exclusive and inclusive. They bound the rows that are read, however few of them match. */
  readonly afterSeq: number
  readonly throughSeq: number
  readonly types: readonly string[]
  /** undefined: every organization. */
  readonly organizationId: string | undefined
  /** Only events in one of these; no restriction when both are empty. */
  readonly inboxIds: readonly string[]
  readonly podIds: readonly string[]
  /** Epoch ms; from inclusive, before exclusive. */
  readonly from?: number | undefined
  readonly before?: number | undefined
}

/** Lists the events of a selection, in order. */
export async function listSelected(db: Db, selection: EventSelection, limit: number): Promise<EventRow[]> {
  const { organizationId, inboxIds, podIds } = selection
  return db
    .selectFrom('events')
    .selectAll()
    .where('seq', '>', selection.afterSeq)
    .where('seq', '<=', selection.throughSeq)
    .where('type', 'in', selection.types)
    .$if(selection.from !== undefined, (query) => query.where('at', '>=', selection.from!))
    .$if(selection.before !== undefined, (query) => query.where('at', '<', selection.before!))
    .$if(organizationId !== undefined, (query) => query.where('organization_id', '=', organizationId!))
    .$if(inboxIds.length + podIds.length > 0, (query) =>
      query.where((eb) =>
        eb.or([
          ...(inboxIds.length > 0 ? [eb('inbox_id', 'in', inboxIds)] : []),
          ...(podIds.length > 0 ? [eb('pod_id', 'in', podIds)] : []),
        ]),
      ),
    )
    .orderBy('seq')
    .limit(limit)
    .execute()
}

/** What counting needs of an event. */
export type CountedEvent = Pick<EventRow, 'seq' | 'at' | 'type' | 'payload'>

export interface CountedRange {
  /** Exclusive and inclusive. */
  readonly afterSeq: number
  readonly throughSeq: number
  readonly descending: boolean
  /** Without it, payloads are empty. */
  readonly withPayload: boolean
}

/** Lists events of a scope by number, of every type: for one inbox the limit bounds the rows that are read. */
export async function listCounted(
  db: Db,
  scope: ScopeIds,
  { afterSeq, throughSeq, descending, withPayload }: CountedRange,
  limit: number,
): Promise<CountedEvent[]> {
  const { column, id } = narrowest(scope)
  return db
    .selectFrom('events')
    .select(['seq', 'at', 'type', withPayload ? 'payload' : sql<string>`''`.as('payload')])
    .where(column, '=', id)
    .where('seq', '>', afterSeq)
    .where('seq', '<=', throughSeq)
    .orderBy('seq', descending ? 'desc' : 'asc')
    .limit(limit)
    .execute()
}

/** Lists events of one inbox, newest first unless ascending; `after` is a seq, exclusive. */
export async function listOfInbox(
  db: Db,
  inboxId: string,
  { after, ascending, limit }: { after: number | undefined; ascending: boolean; limit: number },
): Promise<EventRow[]> {
  return db
    .selectFrom('events')
    .selectAll()
    .where('inbox_id', '=', inboxId)
    .$if(after !== undefined, (query) => query.where('seq', ascending ? '>' : '<', after!))
    .orderBy('seq', ascending ? 'asc' : 'desc')
    .limit(limit)
    .execute()
}

/** Lists events of one message after a number, in order. */
export async function listOfMessage(
  db: Db,
  { inboxId, messageId, afterSeq }: { inboxId: string; messageId: string; afterSeq: number },
  types: readonly string[],
  limit: number,
): Promise<EventRow[]> {
  return db
    .selectFrom('events')
    .selectAll()
    .where('inbox_id', '=', inboxId)
    .where('seq', '>', afterSeq)
    .where('message_id', '=', messageId)
    .where('type', 'in', types)
    .orderBy('seq')
    .limit(limit)
    .execute()
}

/** Lists events by number. Purged ones are omitted. */
export async function listByNumbers(db: Db, seqs: readonly number[]): Promise<EventRow[]> {
  if (seqs.length === 0) return []
  return db.selectFrom('events').selectAll().where('seq', 'in', seqs).execute()
}

/** Maps event numbers to the inbox of the event, or null. Purged events are omitted. */
export async function inboxesOf(db: Db, seqs: readonly number[]): Promise<Map<number, string | null>> {
  if (seqs.length === 0) return new Map()
  const rows = await db.selectFrom('events').select(['seq', 'inbox_id']).where('seq', 'in', seqs).execute()
  return new Map(rows.map(({ seq, inbox_id }) => [seq, inbox_id]))
}

/** The fields by which retention decides. */
export type EventAge = Pick<EventRow, 'seq' | 'event_id' | 'at' | 'type'>

export async function listAges(db: Db, afterSeq: number, limit: number): Promise<EventAge[]> {
  return db
    .selectFrom('events')
    .select(['seq', 'event_id', 'at', 'type'])
    .where('seq', '>', afterSeq)
    .orderBy('seq')
    .limit(limit)
    .execute()
}

export async function remove(tx: Tx, seqs: readonly number[]): Promise<void> {
  if (seqs.length === 0) return
  await tx.deleteFrom('events').where('seq', 'in', seqs).execute()
}

/** Raises the floor to this event: cursors before it are now expired. The floor never moves back. */
export async function raiseFloor(tx: Tx, { seq, event_id }: Pick<EventRow, 'seq' | 'event_id'>): Promise<void> {
  await tx
    .updateTable('event_log')
    .set({ floor_seq: seq, floor_event_id: event_id })
    .where('floor_seq', '<', seq)
    .execute()
}

/** What mailboxes need of an event. The payload is empty unless the event is internal or about a draft. */
export type MailboxEvent = Pick<EventRow, 'seq' | 'type' | 'message_id' | 'payload'>

const mailboxEvents = prepareQuery(
  (db, values: { inboxId: string; afterSeq: number; throughSeq: number; limit: number }) =>
    db
      .selectFrom('events')
      .select(['seq', 'type', 'message_id'])
      .select(
        sql<string>`case when visibility = 'internal' or type like 'draft.%' then payload else '' end`.as('payload'),
      )
      .where('inbox_id', '=', values.inboxId)
      .where('seq', '>', values.afterSeq)
      .where('seq', '<=', values.throughSeq)
      .orderBy('seq')
      .limit(values.limit),
)

/** Lists events of an inbox, in order. */
export async function listForMailboxes(
  db: Db,
  range: { readonly inboxId: string; readonly afterSeq: number; readonly throughSeq: number },
  limit: number,
): Promise<MailboxEvent[]> {
  const { inboxId, afterSeq, throughSeq } = range
  return mailboxEvents(db, { inboxId, afterSeq, throughSeq, limit })
}
