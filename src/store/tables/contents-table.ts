/**
 * Queries for contents (the bytes of a message and their parsed form) and the attachments inside them. Rows only. All
 * messages and submissions with the same bytes share one content, which is deleted when nothing refers to it any more.
 * The parts of a draft and uploads are contents too: bytes that are not parsed.
 */
import { sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import { insertRows } from '../row-statements.ts'
import type { AttachmentRow, ContentRow } from '../schema/message-rows.ts'

/** The size and blob key of a content, without the bytes themselves. */
export type ContentLocation = Pick<ContentRow, 'id' | 'size_bytes' | 'blob_key'>

/** The parsed form of a content. */
export type ParsedRow = Pick<
  ContentRow,
  'id' | 'parsed' | 'parsed_blob_key' | 'parsed_size_bytes' | 'parsed_head_bytes' | 'verification'
>

export const insertAll = insertRows('contents', {
  id: 'text',
  size_bytes: 'bigint',
  bytes: 'bytes',
  blob_key: 'text',
  parsed: 'bytes',
  parsed_blob_key: 'text',
  parsed_size_bytes: 'bigint',
  parsed_head_bytes: 'bigint',
  envelope: 'text',
  verification: 'text',
  search_text: 'bytes',
  created_at: 'bigint',
})

export const insertAttachments = insertRows('attachments', {
  id: 'text',
  content_id: 'text',
  position: 'integer',
  filename: 'text',
  content_type: 'text',
  disposition: 'text',
  cid: 'text',
  charset: 'text',
  transfer_encoding: 'text',
  offset_bytes: 'bigint',
  length_bytes: 'bigint',
  size_bytes: 'bigint',
})

/** Keeps the content until the commit. @returns false if it does not exist */
export async function lockShared(tx: Tx, id: string): Promise<boolean> {
  const row = await tx.forShare(tx.selectFrom('contents')).select('id').where('id', '=', id).executeTakeFirst()
  return row !== undefined
}

const locations = prepareQuery((db, { id }: { id: string }) =>
  db.selectFrom('contents').select(['id', 'size_bytes', 'blob_key']).where('id', '=', id),
)

export async function getLocation(db: Db, id: string): Promise<ContentLocation | undefined> {
  const [row] = await locations(db, { id })
  return row
}

/** The bytes of a content in its row, and its parsed form if the bytes are compressed with it. */
export interface StoredBytes {
  readonly bytes: Uint8Array
  readonly sizeBytes: number
  readonly parsed: Uint8Array | null
}

/** The bytes of a content, or the blob that contains them. */
export type StoredSource = Omit<StoredBytes, 'bytes'> & {
  readonly bytes: Uint8Array | null
  readonly blobKey: string | null
}

const sources = prepareQuery((db, { id }: { id: string }) =>
  db
    .selectFrom('contents')
    .select(['bytes', 'size_bytes as sizeBytes', 'blob_key as blobKey'])
    .select(sql<Uint8Array | null>`case when length(bytes) < size_bytes then parsed end`.as('parsed'))
    .where('id', '=', id),
)

export async function getSource(db: Db, id: string): Promise<StoredSource | undefined> {
  const [row] = await sources(db, { id })
  return row
}

export async function getParsed(db: Db, ids: readonly string[]): Promise<ParsedRow[]> {
  if (ids.length === 0) return []
  return db
    .selectFrom('contents')
    .select(['id', 'parsed_blob_key', 'parsed_size_bytes', 'parsed_head_bytes', 'verification', 'parsed'])
    .where('id', 'in', ids)
    .execute()
}

/** Maps ids to the sizes of the parsed form before compression. */
export async function parsedSizes(db: Db, ids: readonly string[]): Promise<Map<string, number>> {
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('contents').select(['id', 'parsed_size_bytes']).where('id', 'in', ids).execute()
  return new Map(rows.map((row) => [row.id, row.parsed_size_bytes]))
}

/** Maps ids of messages to the sizes of their parsed form before compression. Deleted messages are omitted. */
export async function parsedSizesOfMessages(db: Db, messageIds: readonly string[]): Promise<Map<string, number>> {
  if (messageIds.length === 0) return new Map()
  const rows = await db
    .selectFrom('messages')
    .innerJoin('contents', 'contents.id', 'messages.content_id')
    .select(['messages.id', 'contents.parsed_size_bytes'])
    .where('messages.id', 'in', messageIds)
    .execute()
  return new Map(rows.map((row) => [row.id, row.parsed_size_bytes]))
}

/** The columns of a parsed form, besides the id; `parsed` is null if it has more than `bytesMax` bytes before compression. */
export function parsedColumns(bytesMax: number) {
  const parsed = sql<Uint8Array | null>`case when contents.parsed_size_bytes <= ${bytesMax} then contents.parsed end`
  return [
    'contents.parsed_blob_key',
    'contents.parsed_size_bytes',
    'contents.parsed_head_bytes',
    'contents.verification',
    parsed.as('parsed'),
  ] as const
}

const parsedUpTo = prepareQuery((db, { ids, bytesMax }: { ids: readonly string[]; bytesMax: number }) =>
  db
    .selectFrom('contents')
    .select(['contents.id', ...parsedColumns(bytesMax)])
    .where('id', 'in', ids),
)

/**
 * Returns the parsed forms; `parsed` is null also for those that have more than `bytesMax` bytes before compression.
 */
export async function listParsedUpTo(db: Db, ids: readonly string[], bytesMax: number): Promise<ParsedRow[]> {
  return ids.length === 0 ? [] : parsedUpTo(db, { ids, bytesMax })
}

const attachments = prepareQuery((db, { contentIds }: { contentIds: readonly string[] }) =>
  db
    .selectFrom('attachments')
    .selectAll()
    .where('content_id', 'in', contentIds)
    .orderBy('content_id')
    .orderBy('position'),
)

export async function listAttachments(db: Db, contentIds: readonly string[]): Promise<AttachmentRow[]> {
  return contentIds.length === 0 ? [] : attachments(db, { contentIds })
}

export async function getAttachment(db: Db, contentId: string, id: string): Promise<AttachmentRow | undefined> {
  return db
    .selectFrom('attachments')
    .selectAll()
    .where('content_id', '=', contentId)
    .where('id', '=', id)
    .executeTakeFirst()
}

/** Counts the addresses and attachments of each content, which are deleted with it. */
export async function countDependentRows(db: Db, ids: readonly string[]): Promise<Map<string, number>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('contents')
    .select(({ selectFrom, fn }) => [
      'id',
      selectFrom('content_addresses')
        .select(fn.countAll<number>().as('count'))
        .whereRef('content_addresses.content_id', '=', 'contents.id')
        .as('addresses'),
      selectFrom('attachments')
        .select(fn.countAll<number>().as('count'))
        .whereRef('attachments.content_id', '=', 'contents.id')
        .as('attachments'),
    ])
    .where('id', 'in', ids)
    .execute()
  return new Map(rows.map(({ id, addresses, attachments }) => [id, Number(addresses) + Number(attachments)]))
}

/**
 * Deletes the given contents that nothing refers to any more.
 *
 * @returns the keys of their blobs, to delete after the commit; if that fails, the sweep removes old blobs
 */
export async function removeUnused(tx: Tx, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  // Two nodes may each delete one of the last two messages. Without the lock, each would still see the message of the
  // other and keep the content. With it, they run one after the other, and the second sees the first one's deletion.
  await tx.forUpdate(tx.selectFrom('contents')).select('id').where('id', 'in', ids).orderBy('id').execute()
  const unused = await tx
    .selectFrom('contents')
    .select(['id', 'blob_key', 'parsed_blob_key'])
    .where('id', 'in', ids)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('messages').select('messages.id').whereRef('messages.content_id', '=', 'contents.id'))),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('draft_revisions')
            .select('draft_revisions.id')
            .whereRef('draft_revisions.content_id', '=', 'contents.id'),
        ),
      ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('draft_parts').select('draft_parts.id').whereRef('draft_parts.content_id', '=', 'contents.id'),
        ),
      ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('submissions').select('submissions.id').whereRef('submissions.content_id', '=', 'contents.id'),
        ),
      ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('uploads').select('uploads.id').whereRef('uploads.content_id', '=', 'contents.id'))),
    )
    .execute()
  if (unused.length === 0) return []
  const unusedIds = unused.map((row) => row.id)
  await tx.deleteFrom('contents').where('id', 'in', unusedIds).execute()
  return unused.flatMap((row) => [row.blob_key, row.parsed_blob_key]).filter((key) => key !== null)
}

/** Whether a row refers to the blob: the sweep keeps such blobs. */
export async function isBlobUsed(db: Db, key: string): Promise<boolean> {
  const row = await db
    .selectFrom('contents')
    .select('id')
    .where((eb) => eb.or([eb('blob_key', '=', key), eb('parsed_blob_key', '=', key)]))
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
