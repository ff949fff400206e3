/** Queries for the messages of an inbox that mailboxes show (mail/mailboxes). Rows only. */
import { type SqlBool, sql } from 'kysely'
import type { Db } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import { type StoredMessageRow, withMessageId } from './messages-table.ts'

/** What mailboxes need of a message. */
export type PlacedMessageRow = Pick<StoredMessageRow, 'id' | 'number' | 'hidden' | 'size_bytes'>

const placedByIds = prepareQuery((db, values: { inboxId: string; ids: readonly string[] }) =>
  db
    .selectFrom('messages')
    .select(['id', 'number', 'hidden', 'size_bytes'])
    .where('id', 'in', values.ids)
    .where('inbox_id', '=', values.inboxId),
)

export async function listPlacedByIds(db: Db, inboxId: string, ids: readonly string[]): Promise<PlacedMessageRow[]> {
  return ids.length === 0 ? [] : placedByIds(db, { inboxId, ids })
}

/** Lists messages of an inbox in the order of their numbers. */
export async function listPlacedAfter(
  db: Db,
  inboxId: string,
  afterNumber: number,
  limit: number,
): Promise<PlacedMessageRow[]> {
  return db
    .selectFrom('messages')
    .select(['id', 'number', 'hidden', 'size_bytes'])
    .where('inbox_id', '=', inboxId)
    .where('number', '>', afterNumber)
    .orderBy('number')
    .limit(limit)
    .execute()
}

/** Lists the next messages of an inbox in the order of their numbers, each with whether it has a label. */
export async function listLabelledAfter(
  db: Db,
  { inboxId, label, afterNumber }: { readonly inboxId: string; readonly label: string; readonly afterNumber: number },
  limit: number,
): Promise<{ readonly id: string; readonly number: number; readonly isLabelled: boolean }[]> {
  const rows = await db
    .selectFrom('messages')
    .leftJoin('message_labels', (join) =>
      join.onRef('message_labels.message_id', '=', 'messages.id').on('message_labels.label', '=', label),
    )
    .select(['messages.id', 'messages.number', 'message_labels.label'])
    .where('messages.inbox_id', '=', inboxId)
    .where('messages.number', '>', afterNumber)
    .orderBy('messages.number')
    .limit(limit)
    .execute()
  return rows.map(({ id, number, label: found }) => ({ id, number, isLabelled: found !== null }))
}

/** The condition of the index message_labels_by_label: both databases need it in the query to use the index. */
const isRareLabel = sql<SqlBool>`label not in ('received', 'sent', 'unread', 'delivered')`

const labelled = prepareQuery((db, values: { label: string; limit: number }) =>
  db
    .selectFrom('message_labels')
    .innerJoin('messages', 'messages.id', 'message_labels.message_id')
    .select('messages.inbox_id')
    .where('message_labels.label', '=', values.label)
    .where(isRareLabel)
    .limit(values.limit),
)

/** Messages of all inboxes that are read to find out whether one inbox has a label. */
const LABELLED_MAX = 200

/**
 * Whether a message of the inbox may have the label. False is certain; true is not, if many other messages have it.
 *
 * @param label the user's own
 */
export async function mayHaveLabel(db: Db, inboxId: string, label: string): Promise<boolean> {
  const rows = await labelled(db, { label, limit: LABELLED_MAX })
  return rows.length === LABELLED_MAX || rows.some(({ inbox_id }) => inbox_id === inboxId)
}

/**
 * Returns the newest message of an inbox with this Message-ID and a label that is in no hidden class. A message that arrived without
 * one has the id that clients see, which answers refer to.
 */
export async function findLabelled(
  db: Db,
  { inboxId, idHash, label }: { readonly inboxId: string; readonly idHash: string; readonly label: string },
): Promise<string | undefined> {
  const row = await db
    .selectFrom(withMessageId(inboxId, idHash))
    .innerJoin('message_labels', 'message_labels.message_id', 'found.id')
    .select('found.id')
    .where('found.hidden', '=', 0)
    .where('message_labels.label', '=', label)
    .orderBy('found.number', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.id
}

/**
 * Returns the messages of an inbox that it has written itself, with this Message-ID field and content: sent ones, and copies that a mail
 * program has appended to Sent. Received and other appended messages have an envelope.
 *
 * @param idHash of the field
 */
export async function listOwn(
  db: Db,
  { inboxId, idHash, fingerprint }: { readonly inboxId: string; readonly idHash: string; readonly fingerprint: string },
): Promise<StoredMessageRow[]> {
  return db
    .selectFrom(withMessageId(inboxId, idHash))
    .selectAll()
    .where('header_message_id_hash', '=', idHash)
    .where('fingerprint', '=', fingerprint)
    .where('envelope_sender', 'is', null)
    .orderBy('number', 'desc')
    .execute()
}
