/** Queries for the text index, and for the texts that it finds. Rows only: mail/messages/search decides what they mean. */
import { type Insertable, type SqlBool, sql } from 'kysely'
import { BLOCK_CHUNKS, CHUNK_SLICES, sliceOf } from '../../formats/search/search-block.ts'
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import type { BlockKind, SearchBlockRow } from '../schema/search-rows.ts'
import type { Keyset } from './keyset.ts'

export type StoredBlock = Omit<SearchBlockRow, 'id'> & { readonly id: number }
/** A block without the numbers of its messages. */
export type BlockRange = Omit<StoredBlock, 'numbers'>

/** Numbers in (after, through]. */
export interface NumberRange {
  readonly after: number
  readonly through: number
}

const RANGE = ['id', 'inbox_id', 'kind', 'after_number', 'last_number', 'text_function', 'has_removed'] as const

/** Lists blocks with messages in (after, before), newest first. */
export async function listBlocks(
  db: Db,
  page: { inboxId: string; kind: BlockKind; textFunction: string; after?: number; before: number; limit: number },
): Promise<StoredBlock[]> {
  return db
    .selectFrom('search_blocks')
    .selectAll()
    .where('inbox_id', '=', page.inboxId)
    .where('kind', '=', page.kind)
    .where('text_function', '=', page.textFunction)
    .where('after_number', '<', page.before - 1)
    .where('last_number', '>', page.after ?? 0)
    .orderBy('last_number', 'desc')
    .limit(page.limit)
    .execute()
}

/** Lists the blocks of an inbox, oldest first. */
export async function listRanges(db: Db, inboxId: string, kind: BlockKind): Promise<BlockRange[]> {
  return db
    .selectFrom('search_blocks')
    .select(RANGE)
    .where('inbox_id', '=', inboxId)
    .where('kind', '=', kind)
    .orderBy('last_number')
    .execute()
}

/** Returns the slices of some bits in each of the blocks, by the id of the block. A damaged block has fewer, or of another length. */
export async function slicesOf(
  db: Db,
  blockIds: readonly number[],
  bits: readonly number[],
): Promise<Map<number, Uint8Array[]>> {
  const slices = new Map<number, Uint8Array[]>(blockIds.map((id) => [id, []]))
  const wanted = bits.map((bit) => {
    const { chunk, position } = sliceOf(bit)
    return { ids: padded(blockIds.map((id) => id * BLOCK_CHUNKS + chunk)), position }
  })
  for (const { id, slice } of wanted.length === 0 ? [] : await preparedSlices(db, { wanted }))
    slices.get(Math.floor(id / BLOCK_CHUNKS))?.push(slice)
  return slices
}

/** Repeats the last id up to a power of two: each length is a statement to compile, and only a few are kept. */
function padded(ids: readonly number[]): number[] {
  const length = 2 ** Math.ceil(Math.log2(Math.max(ids.length, 1)))
  return Array.from({ length }, (_, at) => ids[Math.min(at, ids.length - 1)]!)
}

/** The length of a slice: a block of fewer signatures has shorter ones. */
const SLICE_BYTES = sql`(length(bytes) / ${sql.lit(CHUNK_SLICES)})`

/** One statement for all bits: on PostgreSQL each takes a round trip. */
const preparedSlices = prepareQuery(
  (db, { wanted }: { wanted: readonly { readonly ids: readonly number[]; readonly position: number }[] }) => {
    const [first, ...others] = wanted.map(({ ids, position }) =>
      db
        .selectFrom('search_chunks')
        .select(['id', sql<Uint8Array>`substr(bytes, ${position} * ${SLICE_BYTES} + 1, ${SLICE_BYTES})`.as('slice')])
        .where('id', 'in', ids),
    )
    return others.reduce((all, each) => all.unionAll(each), first!)
  },
)

export async function chunksOf(db: Db, blockId: number): Promise<Uint8Array[]> {
  const rows = await db
    .selectFrom('search_chunks')
    .select('bytes')
    .where('id', '>=', blockId * BLOCK_CHUNKS)
    .where('id', '<', (blockId + 1) * BLOCK_CHUNKS)
    .orderBy('id')
    .execute()
  return rows.map(({ bytes }) => bytes)
}

export async function insertBlock(
  tx: Tx,
  row: Insertable<SearchBlockRow>,
  chunks: readonly Uint8Array[],
): Promise<void> {
  const { id } = await tx.insertInto('search_blocks').values(row).returning('id').executeTakeFirstOrThrow()
  await tx
    .insertInto('search_chunks')
    .values(chunks.map((bytes, position) => ({ id: id * BLOCK_CHUNKS + position, bytes })))
    .execute()
}

/** @returns how many of them existed */
export async function removeBlocks(tx: Tx, ids: readonly number[]): Promise<number> {
  for (const id of ids) {
    await tx
      .deleteFrom('search_chunks')
      .where('id', '>=', id * BLOCK_CHUNKS)
      .where('id', '<', (id + 1) * BLOCK_CHUNKS)
      .execute()
  }
  if (ids.length === 0) return 0
  const { numDeletedRows } = await tx.deleteFrom('search_blocks').where('id', 'in', ids).executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}

/** Makes a block begin where the one before ends, if there is no message between them. */
export async function extendBlock(tx: Tx, { id, after, through }: { id: number } & NumberRange): Promise<void> {
  await tx
    .updateTable('search_blocks')
    .set({ after_number: after })
    .where('id', '=', id)
    .where('after_number', '=', through)
    .execute()
}

export const BLOCK_KINDS: readonly BlockKind[] = ['text', 'source']

/** Lists the blocks that contain one of these numbers. */
export async function listContaining(db: Db, inboxId: string, numbers: readonly number[]): Promise<BlockRange[]> {
  const [first, last] = [Math.min(...numbers), Math.max(...numbers)]
  const rows = await db
    .selectFrom('search_blocks')
    .select(RANGE)
    .where('inbox_id', '=', inboxId)
    .where('kind', 'in', BLOCK_KINDS)
    .where('last_number', '>=', first)
    .where('after_number', '<', last)
    .execute()
  return rows.filter((row) => numbers.some((number) => number > row.after_number && number <= row.last_number))
}

export async function markRemoved(tx: Tx, ids: readonly number[]): Promise<void> {
  await tx
    .updateTable('search_blocks')
    .set({ has_removed: 1 })
    .where('id', 'in', ids)
    .where('has_removed', '=', 0)
    .execute()
}

/** Makes some blocks count as missing. @returns how many */
export async function invalidateSome(tx: Tx, limit: number): Promise<number> {
  const rows = await tx.selectFrom('search_blocks').select('id').where('text_function', '!=', '').limit(limit).execute()
  return invalidate(
    tx,
    rows.map(({ id }) => id),
  )
}

/** Makes these blocks count as missing. @returns how many of them existed */
export async function invalidate(tx: Tx, ids: readonly number[]): Promise<number> {
  if (ids.length === 0) return 0
  const { numUpdatedRows } = await tx
    .updateTable('search_blocks')
    .set({ text_function: '' })
    .where('id', 'in', ids)
    .executeTakeFirstOrThrow()
  return Number(numUpdatedRows)
}

/** A message whose text may be searched. */
export interface SearchableRow {
  readonly number: number
  readonly id: string
  readonly thread_id: string
  readonly timestamp: number
  readonly content_id: string
  readonly envelope_recipient: string | null
  readonly hidden: number
  readonly subject: string | null
  readonly search_text: Uint8Array | null
}

/** Reads messages with numbers in (after, before), newest first. */
export async function listInRange(
  db: Db,
  range: { inboxId: string; after: number; before: number; limit: number; ascending?: boolean },
): Promise<SearchableRow[]> {
  return preparedRange(db, range)
}

const preparedRange = prepareQuery((db, range: Parameters<typeof listInRange>[1]) =>
  searchable(db, range.inboxId)
    .where('messages.number', '>', range.after)
    .where('messages.number', '<', range.before)
    .orderBy('messages.number', range.ascending ? 'asc' : 'desc')
    .limit(range.limit),
)

/** Reads messages with these numbers, newest first. */
export async function listByNumbers(db: Db, inboxId: string, numbers: readonly number[]): Promise<SearchableRow[]> {
  if (numbers.length === 0) return []
  return preparedNumbers(db, { inboxId, numbers })
}

const preparedNumbers = prepareQuery((db, { inboxId, numbers }: { inboxId: string; numbers: readonly number[] }) =>
  searchable(db, inboxId).where('messages.number', 'in', numbers).orderBy('messages.number', 'desc'),
)

export type NumberAndTime = Pick<SearchableRow, 'number' | 'timestamp'>

/** Returns the newest message before a time. */
export async function newestBefore(db: Db, inboxId: string, timestamp: number): Promise<NumberAndTime | undefined> {
  return db
    .selectFrom('messages')
    .select(['number', 'timestamp'])
    .where('inbox_id', '=', inboxId)
    .where('timestamp', '<', timestamp)
    .orderBy('timestamp', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Returns the oldest message after a time. */
export async function oldestAfter(db: Db, inboxId: string, timestamp: number): Promise<NumberAndTime | undefined> {
  return db
    .selectFrom('messages')
    .select(['number', 'timestamp'])
    .where('inbox_id', '=', inboxId)
    .where('timestamp', '>', timestamp)
    .orderBy('timestamp')
    .limit(1)
    .executeTakeFirst()
}

/** Returns the numbers of messages whose times are in [from, through]. */
export async function numbersAt(
  db: Db,
  inboxId: string,
  { from, through, limit }: { from: number; through: number; limit: number },
): Promise<number[]> {
  const rows = await db
    .selectFrom('messages')
    .select('number')
    .where('inbox_id', '=', inboxId)
    .where('timestamp', '>=', from)
    .where('timestamp', '<=', through)
    .orderBy('timestamp') // as the index has it
    .limit(limit)
    .execute()
  return rows.map(({ number }) => number)
}

/**
 * Reads messages of a thread with numbers in [from, through] that are newer than a time, newest first. The time only limits
 * what the database reads.
 */
export async function listInThread(
  db: Db,
  inboxId: string,
  part: { threadId: string; newerThan: number; from: number; through: number },
  keyset: Keyset,
): Promise<SearchableRow[]> {
  return searchable(db, inboxId)
    .where('messages.thread_id', '=', part.threadId)
    .where('messages.timestamp', '>', part.newerThan)
    .where('messages.number', '>=', part.from)
    .where('messages.number', '<=', part.through)
    .$if(keyset.after !== undefined, (query) =>
      query.where(sql<SqlBool>`(messages.timestamp, messages.id) < (${keyset.after!.key}, ${keyset.after!.id})`),
    )
    .orderBy('messages.timestamp', 'desc')
    .orderBy('messages.id', 'desc')
    .limit(keyset.limit)
    .execute()
}

function searchable(db: Db, inboxId: string) {
  return db
    .selectFrom('messages')
    .innerJoin('contents', 'contents.id', 'messages.content_id')
    .select([
      'messages.number',
      'messages.id',
      'messages.thread_id',
      'messages.timestamp',
      'messages.hidden',
      'messages.subject',
      'messages.content_id',
      'messages.envelope_recipient',
      'contents.search_text',
    ])
    .where('messages.inbox_id', '=', inboxId)
}

/** Returns the numbers of the messages in (after, through]. */
export async function numbersIn(db: Db, inboxId: string, after: number, through: number): Promise<number[]> {
  const rows = await db
    .selectFrom('messages')
    .select('number')
    .where('inbox_id', '=', inboxId)
    .where('number', '>', after)
    .where('number', '<=', through)
    .orderBy('number')
    .execute()
  return rows.map(({ number }) => number)
}

/** An inbox, and the part of it that the index contains. */
export interface IndexedInbox {
  readonly id: string
  /** null: nothing. */
  readonly last_number: number | null
  /** Blocks of another text function, or with messages that were deleted. */
  readonly outdated: number
}

/** Lists inboxes in the order of their ids. */
export async function listInboxes(
  db: Db,
  page: { afterId: string; kind: BlockKind; textFunction: string; limit: number },
): Promise<IndexedInbox[]> {
  return db
    .selectFrom('inboxes')
    .select((eb) => [
      'inboxes.id',
      eb
        .selectFrom('search_blocks')
        .select(({ fn }) => fn.max('last_number').as('last_number'))
        .whereRef('search_blocks.inbox_id', '=', 'inboxes.id')
        .where('kind', '=', page.kind)
        .as('last_number'),
      eb
        .selectFrom('search_blocks')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .whereRef('search_blocks.inbox_id', '=', 'inboxes.id')
        .where('kind', '=', page.kind)
        .where(({ or, eb: each }) => or([each('text_function', '!=', page.textFunction), each('has_removed', '=', 1)]))
        .as('outdated'),
    ])
    .where('inboxes.id', '>', page.afterId)
    .orderBy('inboxes.id')
    .limit(page.limit)
    .execute() as Promise<IndexedInbox[]>
}

/** Whether at least `count` messages have numbers in the range; without `through`, it has no end. */
export async function hasMessages(
  db: Db,
  { inboxId, after, through = Number.MAX_SAFE_INTEGER }: Partial<NumberRange> & { inboxId: string; after: number },
  count = 1,
): Promise<boolean> {
  const row = await db
    .selectFrom('messages')
    .select('number')
    .where('inbox_id', '=', inboxId)
    .where('number', '>', after)
    .where('number', '<=', through)
    .orderBy('number')
    .offset(count - 1)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

export async function isAnyBlockIn(
  db: Db,
  { inboxId, kind, after, through }: NumberRange & { inboxId: string; kind: BlockKind },
): Promise<boolean> {
  const row = await db
    .selectFrom('search_blocks')
    .select('id')
    .where('inbox_id', '=', inboxId)
    .where('kind', '=', kind)
    .where('last_number', '>', after)
    .where('after_number', '<', through)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

export async function numbersOfBlock(db: Db, id: number): Promise<Uint8Array | undefined> {
  const row = await db.selectFrom('search_blocks').select('numbers').where('id', '=', id).executeTakeFirst()
  return row?.numbers
}
