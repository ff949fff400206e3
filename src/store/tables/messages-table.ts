/** Queries for messages, their labels and addresses. Rows only: mail/messages decides what they mean. */
import { type AliasedRawBuilder, sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import {
  deleteRows,
  insertRows,
  insertRowsReturning,
  type RowStep,
  rowStep,
  selectRows,
  updateRows,
} from '../row-statements.ts'
import type { MessageRow } from '../schema/message-rows.ts'
import { groupSorted } from './grouped-rows.ts'
import { type Keyset, onePage } from './keyset.ts'

export type NewMessageRow = Omit<MessageRow, 'number'>
export type StoredMessageRow = Omit<MessageRow, 'number'> & { number: number }

export async function getById(db: Db, inboxId: string, id: string): Promise<StoredMessageRow | undefined> {
  return db.selectFrom('messages').selectAll().where('inbox_id', '=', inboxId).where('id', '=', id).executeTakeFirst()
}

const byApiId = prepareQuery((db, { inboxId, hash }: { inboxId: string; hash: string }) =>
  db.selectFrom('messages').selectAll().where('inbox_id', '=', inboxId).where('api_message_id_hash', '=', hash),
)

/** @param hash of the api_message_id */
export async function getByApiId(db: Db, inboxId: string, hash: string): Promise<StoredMessageRow | undefined> {
  const [row] = await byApiId(db, { inboxId, hash })
  return row
}

/**
 * The messages of an inbox that have a Message-ID, in their header or for clients, as a table to select from. The index of the header's
 * has only those whose two ids differ: with all, each message would change another page of it.
 *
 * @param hash of the Message-ID
 */
export function withMessageId(inboxId: string, hash: string): AliasedRawBuilder<StoredMessageRow, 'found'> {
  return sql<StoredMessageRow>`(
    select * from messages where inbox_id = ${inboxId} and api_message_id_hash = ${hash}
    union all
    select * from messages where inbox_id = ${inboxId} and header_message_id_hash = ${hash}
      and header_message_id_hash <> api_message_id_hash
  )`.as('found')
}

/**
 * Returns the newest message of an inbox with this Message-ID field, received or sent.
 *
 * @param hash of the field
 */
export async function newestByHeaderId(db: Db, inboxId: string, hash: string): Promise<StoredMessageRow | undefined> {
  return db
    .selectFrom(withMessageId(inboxId, hash))
    .selectAll()
    .where('header_message_id_hash', '=', hash)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** What a lookup needs to know of a message. */
type MessageKeyRow = Pick<StoredMessageRow, 'id' | 'hidden'>

/** Returns messages of an inbox by the hash of their api_message_id. */
export async function keysByApiIds(
  db: Db,
  inboxId: string,
  hashes: readonly string[],
): Promise<Map<string, MessageKeyRow>> {
  if (hashes.length === 0) return new Map()
  const rows = await db
    .selectFrom('messages')
    .select(['id', 'hidden', 'api_message_id_hash'])
    .where('inbox_id', '=', inboxId)
    .where('api_message_id_hash', 'in', hashes)
    .execute()
  return new Map(rows.map(({ api_message_id_hash, ...key }) => [api_message_id_hash, key]))
}

export async function keysByIds(db: Db, inboxId: string, ids: readonly string[]): Promise<Map<string, MessageKeyRow>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('messages')
    .select(['id', 'hidden'])
    .where('inbox_id', '=', inboxId)
    .where('id', 'in', ids)
    .execute()
  return new Map(rows.map((key) => [key.id, key]))
}

const byIds = prepareQuery((db, { ids }: { ids: readonly string[] }) =>
  db.selectFrom('messages').selectAll().where('id', 'in', ids),
)

/**
 * Counts the replies that an inbox has sent in a thread since a time: they have In-Reply-To and no envelope.
 *
 * @param scan at most this many of the newest messages are read
 */
export async function countSentReplies(
  db: Db,
  threadId: string,
  scan: { readonly since: number; readonly messagesMax: number },
): Promise<number> {
  const newest = db
    .selectFrom('messages')
    .select(['in_reply_to', 'references_list', 'envelope_recipient'])
    .where('thread_id', '=', threadId)
    .where('timestamp', '>', scan.since)
    .orderBy('timestamp', 'desc')
    .limit(scan.messagesMax)
    .as('newest')
  const { count } = await db
    .selectFrom(newest)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where((eb) => eb.or([eb('in_reply_to', 'is not', null), eb('references_list', 'is not', null)]))
    .where('envelope_recipient', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}

export async function listByIds(db: Db, ids: readonly string[]): Promise<StoredMessageRow[]> {
  return ids.length === 0 ? [] : byIds(db, { ids })
}

/**
 * The columns of a message in a list, besides those that decide who may see it, and those that all messages of an inbox share:
 * each column of a page of 50 takes about 10 us.
 */
export const ITEM_COLUMNS = [
  ...(['id', 'thread_id', 'content_id', 'api_message_id'] as const),
  ...([
    'subject',
    'preview',
    'in_reply_to',
    'references_list',
    'envelope_sender',
    'envelope_recipient',
    'size_bytes',
  ] as const),
  ...([
    'has_attachments',
    'authentication',
    'spam',
    'verified_domain',
    'sender_claim',
    'timestamp',
    'created_at',
    'updated_at',
  ] as const),
] as const

export type MessageItemRow = Pick<StoredMessageRow, (typeof ITEM_COLUMNS)[number]>

/** The columns that all messages of an inbox share. */
export type InboxColumns = Pick<StoredMessageRow, 'organization_id' | 'pod_id' | 'inbox_id'>

const itemsByIds = prepareQuery((db, { ids }: { ids: readonly string[] }) =>
  db.selectFrom('messages').select(ITEM_COLUMNS).where('id', 'in', ids),
)

export async function listItemsByIds(db: Db, ids: readonly string[]): Promise<MessageItemRow[]> {
  return ids.length === 0 ? [] : itemsByIds(db, { ids })
}

/** A message and the state of its thread, which changes whenever one of the thread's messages is hidden or shown again. */
export interface MessageInThread extends StoredMessageRow {
  readonly thread_message_count: number
  readonly thread_visible_count: number
  readonly thread_updated_at: number
}

export async function listInThreads(db: Db, ids: readonly string[]): Promise<MessageInThread[]> {
  if (ids.length === 0) return []
  return db
    .selectFrom('messages')
    .innerJoin('threads', 'threads.id', 'messages.thread_id')
    .selectAll('messages')
    .select([
      'threads.message_count as thread_message_count',
      'threads.visible_count as thread_visible_count',
      'threads.updated_at as thread_updated_at',
    ])
    .where('messages.id', 'in', ids)
    .execute()
}

/** Maps ids to hidden masks. Deleted messages are omitted. */
export async function hiddenMasks(db: Db, ids: readonly string[]): Promise<Map<string, number>> {
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('messages').select(['id', 'hidden']).where('id', 'in', ids).execute()
  return new Map(rows.map(({ id, hidden }) => [id, hidden]))
}

/** Lists the messages of a thread, newest first unless ascending. */
export async function listByThread(db: Db, threadId: string, keyset: Keyset): Promise<StoredMessageRow[]> {
  return db
    .selectFrom('messages')
    .selectAll()
    .where('thread_id', '=', threadId)
    .$call((query) => onePage(query, 'timestamp', keyset))
    .execute()
}

/** @param isShown whether it must be in no hidden class */
export async function newestInThread(
  db: Db,
  threadId: string,
  { isShown }: { readonly isShown: boolean },
): Promise<StoredMessageRow | undefined> {
  return db
    .selectFrom('messages')
    .selectAll()
    .where('thread_id', '=', threadId)
    .$if(isShown, (query) => query.where('hidden', '=', 0))
    .orderBy('timestamp', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Returns the message of a thread that contains an attachment. */
export async function getAttachmentInThread(
  db: Db,
  threadId: string,
  attachmentId: string,
): Promise<Pick<StoredMessageRow, 'id' | 'content_id' | 'hidden'> | undefined> {
  return db
    .selectFrom('attachments')
    .innerJoin('messages', 'messages.content_id', 'attachments.content_id')
    .select(['messages.id', 'messages.content_id', 'messages.hidden'])
    .where('attachments.id', '=', attachmentId)
    .where('messages.thread_id', '=', threadId)
    .limit(1)
    .executeTakeFirst()
}

export const insertAll = insertRowsReturning(
  'messages',
  {
    id: 'text',
    organization_id: 'text',
    pod_id: 'text',
    inbox_id: 'text',
    thread_id: 'text',
    content_id: 'text',
    api_message_id: 'text',
    api_message_id_hash: 'text',
    header_message_id: 'text',
    header_message_id_hash: 'text',
    fingerprint: 'text',
    subject: 'text',
    preview: 'text',
    in_reply_to: 'text',
    references_list: 'text',
    envelope_sender: 'text',
    envelope_recipient: 'text',
    size_bytes: 'bigint',
    has_attachments: 'integer',
    hidden: 'integer',
    authentication: 'text',
    spam: 'text',
    verified_domain: 'text',
    sender_claim: 'text',
    labels_seq: 'bigint',
    timestamp: 'bigint',
    internal_date: 'bigint',
    created_at: 'bigint',
    updated_at: 'bigint',
  },
  ['id', 'number'],
)

export const insertLabels = insertRows('message_labels', { message_id: 'text', label: 'text' })

export const selectById = selectRows<Pick<MessageRow, 'id'>, StoredMessageRow>(
  { id: 'text' },
  'select * from messages where id = :id',
)

export const selectLabels = selectRows<
  { readonly message_id: string },
  { readonly message_id: string; readonly label: string }
>(
  { message_id: 'text' },
  'select message_id, label from message_labels where message_labels.message_id = :message_id order by label',
)

const deleteLabels = deleteRows('message_labels', { message_id: 'text', label: 'text' })
const setUpdated = updateRows('messages', 'id', { id: 'text', updated_at: 'bigint' })
const setHidden = updateRows('messages', 'id', { id: 'text', hidden: 'integer', updated_at: 'bigint' })

/** Each message at most once. */
export const setLabelsSeqs = updateRows('messages', 'id', { id: 'text', labels_seq: 'bigint' })

/** A Message-ID of an inbox: the hash of an api_message_id or of a Message-ID field. */
export interface NameInInbox {
  readonly inbox_id: string
  readonly hash: string
}

/** A message that may be new to an inbox. */
export interface ArrivingMessage extends NameInInbox {
  /** `hash` is that of its Message-ID field, this that of the id under which clients would see it. */
  readonly api_hash: string
  readonly fingerprint: string
}

/**
 * Returns the message of the inbox that clients see under this id, and, of those with another id, one that has the same Message-ID
 * field and the same content.
 */
export const selectKnown = selectRows<ArrivingMessage, StoredMessageRow>(
  { inbox_id: 'text', api_hash: 'text', hash: 'text', fingerprint: 'text' },
  `select * from messages where messages.inbox_id = :inbox_id and messages.api_message_id_hash = :api_hash
    union all
    select * from (
      select * from messages where messages.inbox_id = :inbox_id and messages.header_message_id_hash = :hash
        and messages.header_message_id_hash <> messages.api_message_id_hash and messages.fingerprint = :fingerprint limit 1
    ) as renamed`,
)

/** Returns those of the given Message-IDs that the inbox has sent, each once or twice: a received message has an envelope. */
export const selectSent = selectRows<NameInInbox, NameInInbox>(
  { inbox_id: 'text', hash: 'text' },
  `select inbox_id, header_message_id_hash as hash from messages
      where messages.inbox_id = :inbox_id and messages.api_message_id_hash = :hash
        and messages.header_message_id_hash = :hash and messages.envelope_sender is null
    union all
    select * from (
      select inbox_id, header_message_id_hash as hash from messages
        where messages.inbox_id = :inbox_id and messages.header_message_id_hash = :hash
          and messages.header_message_id_hash <> messages.api_message_id_hash and messages.envelope_sender is null limit 1
    ) as renamed`,
)

/** Returns the steps that add and remove labels, and store the resulting hidden mask. */
export function labelSteps(
  tx: Tx,
  messageId: string,
  change: { added: readonly string[]; removed: readonly string[]; hidden: number },
): RowStep[] {
  const rowOf = (label: string) => ({ message_id: messageId, label })
  return [
    rowStep(deleteLabels, change.removed.map(rowOf)),
    rowStep(insertLabels, change.added.map(rowOf)),
    rowStep(setHidden, [{ id: messageId, hidden: change.hidden, updated_at: tx.now }]),
  ]
}

/** Adds and removes labels of messages whose hidden mask stays. Each at most once. */
export async function changeLabelsOfMany(
  tx: Tx,
  changes: readonly { readonly id: string; readonly added: readonly string[]; readonly removed: readonly string[] }[],
): Promise<void> {
  await tx.runRows([
    rowStep(
      deleteLabels,
      changes.flatMap(({ id, removed }) => removed.map((label) => ({ message_id: id, label }))),
    ),
    rowStep(
      insertLabels,
      changes.flatMap(({ id, added }) => added.map((label) => ({ message_id: id, label }))),
    ),
    rowStep(
      setUpdated,
      changes.map(({ id }) => ({ id, updated_at: tx.now })),
    ),
  ])
}

const labels = prepareQuery((db, { messageIds }: { messageIds: readonly string[] }) =>
  db
    .selectFrom('message_labels')
    .selectAll()
    .where('message_id', 'in', messageIds)
    .orderBy('message_id')
    .orderBy('label'),
)

export async function labelsOf(db: Db, messageIds: readonly string[]): Promise<Map<string, string[]>> {
  const rows = messageIds.length === 0 ? [] : await labels(db, { messageIds })
  return groupSorted(
    rows,
    (row) => row.message_id,
    (row) => row.label,
  )
}

/** Deletes messages with their labels and Bcc addresses. */
export async function remove(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx.deleteFrom('messages').where('id', 'in', ids).execute()
}
