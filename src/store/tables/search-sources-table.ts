/** Queries for whole messages, as SEARCH of IMAP reads them, and for the entries of those that it may find. Rows only. */
import { sql } from 'kysely'
import type { Db } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'

/** Larger messages are read one by one. */
const READ_BYTES_MAX = 64 * 1024

/** The bytes of a content; null: it is large, or not in its row. */
export interface ContentSource {
  readonly content_id: string
  readonly size_bytes: number
  readonly bytes: Uint8Array | null
  /** If the bytes are compressed with it (mail/messages/content/compressed-source.ts). */
  readonly parsed: Uint8Array | null
}

export interface SourceRow extends ContentSource {
  readonly number: number
}

const SOURCE = [
  sql<Uint8Array | null>`case when contents.size_bytes <= ${sql.lit(READ_BYTES_MAX)} then contents.bytes end`.as(
    'bytes',
  ),
  sql<Uint8Array | null>`case when contents.size_bytes <= ${sql.lit(READ_BYTES_MAX)}
    and length(contents.bytes) < contents.size_bytes then contents.parsed end`.as('parsed'),
] as const

const inRange = prepareQuery((db, range: { inboxId: string; after: number; before: number; limit: number }) =>
  db
    .selectFrom('messages')
    .innerJoin('contents', 'contents.id', 'messages.content_id')
    .select(['messages.number', 'messages.content_id', 'contents.size_bytes'])
    .select(SOURCE)
    .where('messages.inbox_id', '=', range.inboxId)
    .where('messages.number', '>', range.after)
    .where('messages.number', '<', range.before)
    .orderBy('messages.number')
    .limit(range.limit),
)

/** Reads messages with numbers in (after, before), oldest first. */
export async function listSources(
  db: Db,
  range: { inboxId: string; after: number; before: number; limit: number },
): Promise<SourceRow[]> {
  return inRange(db, range)
}

const byIds = prepareQuery((db, { ids }: { ids: readonly string[] }) =>
  db
    .selectFrom('contents')
    .select(['contents.id as content_id', 'contents.size_bytes'])
    .select(SOURCE)
    .where('contents.id', 'in', ids),
)

/** Reads contents by id, in any order. Those that were deleted are missing. */
export async function listContentSources(db: Db, ids: readonly string[]): Promise<ContentSource[]> {
  return ids.length === 0 ? [] : byIds(db, { ids })
}

const uidsByNumbers = prepareQuery(
  (db, { mailboxId, inboxId, numbers }: { mailboxId: string; inboxId: string; numbers: readonly number[] }) =>
    db
      .selectFrom('messages')
      .innerJoin('mailbox_entries', 'mailbox_entries.item_id', 'messages.id')
      .select('mailbox_entries.uid')
      .where('messages.inbox_id', '=', inboxId)
      .where('messages.number', 'in', numbers)
      .where('mailbox_entries.mailbox_id', '=', mailboxId),
)

/** Returns the UIDs of messages with these numbers, of those that are in the mailbox. */
export async function listUids(
  db: Db,
  mailboxId: string,
  inboxId: string,
  numbers: readonly number[],
): Promise<number[]> {
  if (numbers.length === 0) return []
  return (await uidsByNumbers(db, { mailboxId, inboxId, numbers })).map(({ uid }) => uid)
}

const uidsInRange = prepareQuery(
  (db, range: { mailboxId: string; inboxId: string; after: number; through: number; limit: number }) =>
    db
      .selectFrom('messages')
      .innerJoin('mailbox_entries', 'mailbox_entries.item_id', 'messages.id')
      .select(['messages.number', 'mailbox_entries.uid'])
      .where('messages.inbox_id', '=', range.inboxId)
      .where('messages.number', '>', range.after)
      .where('messages.number', '<=', range.through)
      .where('mailbox_entries.mailbox_id', '=', range.mailboxId)
      .orderBy('messages.number')
      .limit(range.limit),
)

/** Returns the UIDs and numbers of messages with numbers in (after, through] that are in the mailbox, in this order. */
export async function listUidsInRange(
  db: Db,
  range: { mailboxId: string; inboxId: string; after: number; through: number; limit: number },
): Promise<{ readonly number: number; readonly uid: number }[]> {
  return uidsInRange(db, range)
}
