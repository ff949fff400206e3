/** Queries for the entries of mailboxes and their tombstones. Rows only: mail/mailboxes decides what they mean. */
import { type SqlBool, sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import { insertRows, rowStep, updateRows } from '../row-statements.ts'
import type { MailboxEntryRow } from '../schema/mailbox-rows.ts'

/** Values in one statement. SQLite has at most 32,766, and events of many removed messages can name more. */
const LISTED_AT_ONCE = 1_000

function* portionsOf<Value>(list: readonly Value[]): Generator<readonly Value[]> {
  for (let at = 0; at < list.length; at += LISTED_AT_ONCE) yield list.slice(at, at + LISTED_AT_ONCE)
}

/** Inserts entries, or changes those with the same UID. */
export const putAll = insertRows(
  'mailbox_entries',
  {
    mailbox_id: 'text',
    uid: 'bigint',
    item_kind: 'text',
    item_id: 'text',
    flags: 'text',
    hidden: 'integer',
    size_bytes: 'bigint',
    is_deleted: 'integer',
    modseq: 'bigint',
    saved_at: 'bigint',
  },
  { columns: ['mailbox_id', 'uid'], set: ['flags', 'hidden', 'is_deleted', 'modseq'] },
)

export async function putRows(tx: Tx, rows: readonly MailboxEntryRow[]): Promise<void> {
  await tx.runRows([rowStep(putAll, rows)])
}

/** The MODSEQ of an entry whose event has no number yet: larger than any. The commit replaces it (NewEvent.entries). */
export const UNNUMBERED = Number.MAX_SAFE_INTEGER

/** The store numbers entries with their event at commit (commit/append-events.ts). */
export const setModseqs = updateRows('mailbox_entries', ['mailbox_id', 'uid'], {
  mailbox_id: 'text',
  uid: 'bigint',
  modseq: 'bigint',
})

export const putTombstones = insertRows(
  'mailbox_tombstones',
  { mailbox_id: 'text', uid: 'bigint', modseq: 'bigint' },
  { columns: ['mailbox_id', 'uid'], set: ['modseq'] },
)

export async function remove(tx: Tx, mailboxId: string, uids: readonly number[]): Promise<void> {
  for (const some of portionsOf(uids)) {
    await tx.deleteFrom('mailbox_entries').where('mailbox_id', '=', mailboxId).where('uid', 'in', some).execute()
  }
}

const byItems = prepareQuery((db, { itemIds }: { itemIds: readonly string[] }) =>
  db.selectFrom('mailbox_entries').selectAll().where('item_id', 'in', itemIds),
)

export async function listByItems(db: Db, itemIds: readonly string[]): Promise<MailboxEntryRow[]> {
  if (itemIds.length <= LISTED_AT_ONCE) return itemIds.length === 0 ? [] : byItems(db, { itemIds })
  const found: MailboxEntryRow[] = []
  for (const some of portionsOf(itemIds)) for (const row of await byItems(db, { itemIds: some })) found.push(row)
  return found
}

/** Returns the different sets of flags in a mailbox. */
export async function listFlags(db: Db, mailboxId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('mailbox_entries')
    .select('flags')
    .distinct()
    .where('mailbox_id', '=', mailboxId)
    .execute()
  return rows.map(({ flags }) => flags)
}

/** What a snapshot shows of an entry. */
export type ShownEntryRow = Pick<MailboxEntryRow, 'uid' | 'flags' | 'hidden' | 'is_deleted' | 'modseq'>

const page = prepareQuery((db, values: { mailboxId: string; afterUid: number; limit: number }) =>
  db
    .selectFrom('mailbox_entries')
    .select(['uid', 'flags', 'hidden', 'is_deleted', 'modseq'])
    .where('mailbox_id', '=', values.mailboxId)
    .where('uid', '>', values.afterUid)
    .orderBy('uid')
    .limit(values.limit),
)

/** Lists entries in the order of their UIDs. */
export async function listAfter(db: Db, mailboxId: string, afterUid: number, limit: number): Promise<ShownEntryRow[]> {
  return page(db, { mailboxId, afterUid, limit })
}

const changed = prepareQuery((db, values: { mailboxId: string; after: number }) =>
  db
    .selectFrom('mailbox_entries')
    .select(['uid', 'flags', 'hidden', 'is_deleted', 'modseq'])
    .where('mailbox_id', '=', values.mailboxId)
    .where('modseq', '>', values.after),
)

/** Lists entries that changed after a MODSEQ, in any order. */
export async function listChanged(db: Db, mailboxId: string, after: number): Promise<ShownEntryRow[]> {
  return changed(db, { mailboxId, after })
}

/** Both in one statement: retention may raise the floor and remove tombstones at any time. */
const vanished = prepareQuery((db, values: { mailboxId: string; after: number }) =>
  db
    .selectFrom('mailbox_tombstones')
    .select(({ ref, lit }) => [ref('uid').as('number'), lit<number>(0).as('is_floor')])
    .where('mailbox_id', '=', values.mailboxId)
    .where('modseq', '>', values.after)
    .unionAll(
      db
        .selectFrom('event_log')
        .select(({ ref, lit }) => [ref('floor_seq').as('number'), lit<number>(1).as('is_floor')]),
    ),
)

/**
 * Returns the UIDs of entries that were removed after a MODSEQ, in any order.
 *
 * @returns isComplete: false if tombstones of such changes may have been deleted
 */
export async function listVanished(
  db: Db,
  mailboxId: string,
  after: number,
): Promise<{ readonly uids: number[]; readonly isComplete: boolean }> {
  const uids: number[] = []
  let floorSeq = 0
  for (const { number, is_floor } of await vanished(db, { mailboxId, after })) {
    if (is_floor === 1) floorSeq = number
    else uids.push(number)
  }
  return { uids, isComplete: after >= floorSeq }
}

const byUids = prepareQuery((db, { mailboxId, uids }: { mailboxId: string; uids: readonly number[] }) =>
  db.selectFrom('mailbox_entries').selectAll().where('mailbox_id', '=', mailboxId).where('uid', 'in', uids),
)

/** Returns entries by UID. Those that have vanished are missing. */
export async function mapByUids(
  db: Db,
  mailboxId: string,
  uids: readonly number[],
): Promise<Map<number, MailboxEntryRow>> {
  const found = new Map<number, MailboxEntryRow>()
  for (const some of portionsOf(uids)) {
    for (const row of await byUids(db, { mailboxId, uids: some })) found.set(row.uid, row)
  }
  return found
}

/** An entry, and whether its message does not exist any more, or its revision is not that of a draft any more. */
interface ComparedEntryRow {
  readonly uid: number
  readonly isGone: boolean
}

/** Lists some entries of a mailbox of messages. */
export async function listWithMessage(
  db: Db,
  mailboxId: string,
  afterUid: number,
  limit: number,
): Promise<ComparedEntryRow[]> {
  const rows = await db
    .selectFrom('mailbox_entries')
    .leftJoin('messages', 'messages.id', 'mailbox_entries.item_id')
    .select(['mailbox_entries.uid', 'messages.id'])
    .where('mailbox_entries.mailbox_id', '=', mailboxId)
    .where('mailbox_entries.uid', '>', afterUid)
    .orderBy('mailbox_entries.uid')
    .limit(limit)
    .execute()
  return rows.map(({ uid, id }) => ({ uid, isGone: id === null }))
}

/** Lists some entries of Drafts. */
export async function listWithDraft(
  db: Db,
  mailboxId: string,
  afterUid: number,
  limit: number,
): Promise<ComparedEntryRow[]> {
  const rows = await db
    .selectFrom('mailbox_entries')
    .leftJoin('draft_revisions', 'draft_revisions.id', 'mailbox_entries.item_id')
    .leftJoin('drafts', (join) =>
      join
        .onRef('drafts.id', '=', 'draft_revisions.draft_id')
        .onRef('drafts.revision_id', '=', 'mailbox_entries.item_id'),
    )
    .select(['mailbox_entries.uid', 'drafts.id'])
    .where('mailbox_entries.mailbox_id', '=', mailboxId)
    .where('mailbox_entries.uid', '>', afterUid)
    .orderBy('mailbox_entries.uid')
    .limit(limit)
    .execute()
  return rows.map(({ uid, id }) => ({ uid, isGone: id === null }))
}

/** Deletes some entries of an inbox that is being deleted. @returns how many */
export async function removeOfInbox(tx: Tx, inboxId: string, countMax: number): Promise<number> {
  const rows = await tx
    .selectFrom('mailbox_entries')
    .innerJoin('mailboxes', 'mailboxes.id', 'mailbox_entries.mailbox_id')
    .select(['mailbox_entries.mailbox_id', 'mailbox_entries.uid'])
    .where('mailboxes.inbox_id', '=', inboxId)
    .limit(countMax)
    .execute()
  const byMailbox = new Map<string, number[]>()
  for (const { mailbox_id, uid } of rows) byMailbox.set(mailbox_id, [...(byMailbox.get(mailbox_id) ?? []), uid])
  for (const [mailboxId, uids] of byMailbox) await remove(tx, mailboxId, uids)
  return rows.length
}

/** Returns the bytes of all messages of a mailbox together, and of those with \Deleted. */
export async function sizesOf(
  db: Db,
  mailboxId: string,
  hiddenMask: number,
): Promise<{ readonly sizeBytes: number; readonly deletedBytes: number }> {
  const sums = await db
    .selectFrom('mailbox_entries')
    .select([
      sql<number>`coalesce(sum(size_bytes), 0)`.as('size'),
      sql<number>`coalesce(sum(size_bytes * is_deleted), 0)`.as('deleted'),
    ])
    .where('mailbox_id', '=', mailboxId)
    .where(sql<SqlBool>`(hidden & ${hiddenMask}) = 0`)
    .executeTakeFirstOrThrow()
  return { sizeBytes: Number(sums.size), deletedBytes: Number(sums.deleted) }
}

/** Deletes tombstones of changes up to a MODSEQ. */
export async function removeTombstones(tx: Tx, mailboxId: string, throughModseq: number): Promise<void> {
  await tx
    .deleteFrom('mailbox_tombstones')
    .where('mailbox_id', '=', mailboxId)
    .where('modseq', '<=', throughModseq)
    .execute()
}
