/** Queries for what FETCH needs of the messages and drafts in a mailbox. Rows only: mail/mailboxes/fetch decides. */
import { type RawBuilder, sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import { insertRows, rowStep } from '../row-statements.ts'
import type { ContentStructureRow } from '../schema/mailbox-rows.ts'

/** An entry with its message, or with its revision of a draft. */
export interface MailboxItemRow {
  readonly uid: number
  readonly item_id: string
  readonly hidden: number
  readonly saved_at: number
  readonly content_id: string
  readonly size_bytes: number
  readonly internal_date: number
  /** null for drafts. */
  readonly thread_id: string | null
  readonly preview: string | null
}

/** What is known of the structure of a content; null: it was not computed, or by another version, or it is long. */
export interface ItemStructure {
  readonly envelope: string | null
  readonly body: string | null
  readonly body_structure: string | null
  /** The content, if it has a structure, also one that is long: get it with `getStructure`. */
  readonly structure_of: string | null
}

/** The bytes of a content, if they are in its row and few. */
export interface ItemBytes {
  readonly bytes: Uint8Array | null
  readonly parsed: Uint8Array | null
}

/** Larger messages are read one by one: a list of them would stay in memory while a client reads slowly. */
const READ_BYTES_MAX = 16 * 1024
/** The same of the texts of a structure: those of a hostile message have a megabyte. */
const READ_STRUCTURE_BYTES_MAX = 16 * 1024

type Optional<T> = { readonly [K in keyof T]?: T[K] | undefined }

export type FetchedItemRow = MailboxItemRow & Optional<ItemStructure> & Optional<ItemBytes>

interface ItemsWanted {
  readonly mailboxId: string
  /** Ascending. Those in between are returned too if `isRange`. */
  readonly uids: readonly number[]
  readonly isRange: boolean
  readonly isDrafts: boolean
  readonly withEnvelope: boolean
  readonly withStructure: boolean
  readonly withBytes: boolean
  readonly version: number
}

const items = prepareQuery((db, wanted: ItemsWanted) => {
  const { mailboxId, uids, isRange, isDrafts, withEnvelope, withStructure, withBytes, version } = wanted
  const columns = isDrafts
    ? sql`draft_revisions.content_id, drafts.size_bytes, draft_revisions.created_at as internal_date,
        drafts.thread_id, drafts.preview`
    : sql`messages.content_id, messages.size_bytes, coalesce(messages.internal_date, messages.timestamp) as internal_date,
        messages.thread_id, messages.preview`
  const item = isDrafts
    ? sql`join draft_revisions on draft_revisions.id = entries.item_id join drafts on drafts.id = draft_revisions.draft_id`
    : sql`join messages on messages.id = entries.item_id`
  const contentId = isDrafts ? sql`draft_revisions.content_id` : sql`messages.content_id`
  const structure =
    withStructure || withEnvelope
      ? {
          columns: sql`, structures.content_id as structure_of, ${short(sql`structures.body`)} as body,
            ${short(sql`structures.body_structure`)} as body_structure`,
          join: sql`left join content_structures as structures
          on structures.content_id = ${contentId} and structures.version = ${version}`,
        }
      : NOTHING
  const envelope = withEnvelope
    ? sql`, coalesce(contents.envelope, ${short(sql`structures.envelope`)}) as envelope`
    : sql``
  const contents = withEnvelope || withBytes ? sql`join contents on contents.id = ${contentId}` : sql``
  const bytes = withBytes
    ? sql`, case when contents.size_bytes <= ${READ_BYTES_MAX} then contents.bytes end as bytes,
          case when contents.size_bytes <= ${READ_BYTES_MAX} and length(contents.bytes) < contents.size_bytes
            then contents.parsed end as parsed`
    : sql``
  const condition = isRange
    ? sql`entries.uid >= ${uids[0]!} and entries.uid <= ${uids[1]!}`
    : sql`entries.uid in (${sql.join(uids)})`
  const found = sql<FetchedItemRow>`(
    select entries.uid, entries.item_id, entries.hidden, entries.saved_at, ${columns} ${structure.columns} ${envelope} ${bytes}
    from mailbox_entries as entries ${item} ${structure.join} ${contents}
    where entries.mailbox_id = ${mailboxId} and ${condition}
  )`
  return db.selectFrom(found.as('found')).selectAll().orderBy('uid')
})

/** SQLite knows the length without reading the text. */
function short(column: RawBuilder<unknown>): RawBuilder<string | null> {
  return sql`case when octet_length(${column}) <= ${READ_STRUCTURE_BYTES_MAX} then ${column} end`
}

const NOTHING = { columns: sql``, join: sql`` }

/**
 * Returns the items with these UIDs, in ascending order. Items that do not exist any more are missing.
 *
 * @param uids ascending
 * @param wanted `version` of the structures
 */
export async function listItems(
  db: Db,
  mailboxId: string,
  uids: readonly number[],
  wanted: Pick<ItemsWanted, 'isDrafts' | 'withEnvelope' | 'withStructure' | 'withBytes' | 'version'>,
): Promise<FetchedItemRow[]> {
  const asked = rangeOrList(uids)
  if (!asked) return []
  return ofUids(await items(db, { mailboxId, ...asked, ...wanted }), uids)
}

/** Each length of a list is another statement: it is filled up to the next power of two. */
function padded(uids: readonly number[]): number[] {
  const length = 2 ** Math.ceil(Math.log2(uids.length))
  return [...uids, ...Array<number>(length - uids.length).fill(uids.at(-1)!)]
}

/** What SEARCH compares without reading contents. */
export interface SearchedItemRow {
  readonly uid: number
  readonly item_id: string
  readonly size_bytes: number
  readonly saved_at: number
  readonly internal_date: number
  readonly content_id: string
  /** null for drafts, as all below. */
  readonly thread_id: string | null
  readonly subject: string | null
  readonly header_message_id: string | null
  readonly in_reply_to: string | null
  readonly references_list: string | null
  readonly envelope_recipient: string | null
  readonly has_attachments: number | null
}

const searched = prepareQuery((db, wanted: Pick<ItemsWanted, 'mailboxId' | 'uids' | 'isRange' | 'isDrafts'>) => {
  const { mailboxId, uids, isRange, isDrafts } = wanted
  const item = isDrafts
    ? sql`draft_revisions.created_at as internal_date, draft_revisions.content_id, drafts.thread_id, drafts.subject,
        null as header_message_id, null as in_reply_to, null as references_list, null as envelope_recipient, null as has_attachments
      from mailbox_entries as entries join draft_revisions on draft_revisions.id = entries.item_id
        join drafts on drafts.id = draft_revisions.draft_id`
    : sql`coalesce(messages.internal_date, messages.timestamp) as internal_date, messages.content_id, messages.thread_id,
        messages.subject, messages.header_message_id, messages.in_reply_to, messages.references_list,
        messages.envelope_recipient, messages.has_attachments
      from mailbox_entries as entries join messages on messages.id = entries.item_id`
  const condition = isRange
    ? sql`entries.uid >= ${uids[0]!} and entries.uid <= ${uids[1]!}`
    : sql`entries.uid in (${sql.join(uids)})`
  const found = sql<SearchedItemRow>`(
    select entries.uid, entries.item_id, entries.size_bytes, entries.saved_at, ${item}
    where entries.mailbox_id = ${mailboxId} and ${condition}
  )`
  return db.selectFrom(found.as('found')).selectAll().orderBy('uid')
})

/** As listItems, for SEARCH. */
export async function listSearched(
  db: Db,
  mailboxId: string,
  uids: readonly number[],
  isDrafts: boolean,
): Promise<SearchedItemRow[]> {
  const wanted = rangeOrList(uids)
  if (!wanted) return []
  return ofUids(await searched(db, { mailboxId, isDrafts, ...wanted }), uids)
}

/** Most often UIDs are a range with few gaps: then the statement is the same for every number of them. */
function rangeOrList(uids: readonly number[]): Pick<ItemsWanted, 'uids' | 'isRange'> | undefined {
  const [first, last] = [uids[0], uids.at(-1)]
  if (first === undefined || last === undefined) return undefined
  const isRange = last - first < 2 * uids.length
  return { uids: isRange ? [first, last] : padded(uids), isRange }
}

function ofUids<Row extends { readonly uid: number }>(rows: Row[], uids: readonly number[]): Row[] {
  if (rows.length <= uids.length && uids.at(-1)! - uids[0]! + 1 === uids.length) return rows
  const asked = new Set(uids)
  return rows.filter(({ uid }) => asked.has(uid))
}

export async function getStructure(
  db: Db,
  contentId: string,
  version: number,
): Promise<ContentStructureRow | undefined> {
  return db
    .selectFrom('content_structures')
    .selectAll()
    .where('content_id', '=', contentId)
    .where('version', '=', version)
    .executeTakeFirst()
}

const STRUCTURE_COLUMNS = {
  content_id: 'text',
  version: 'integer',
  envelope: 'text',
  body: 'text',
  body_structure: 'text',
  parts: 'text',
} as const

const insertStructures = insertRows('content_structures', STRUCTURE_COLUMNS, {
  columns: ['content_id'],
  set: ['version', 'envelope', 'body', 'body_structure', 'parts'],
})
const insertNewStructures = insertRows('content_structures', STRUCTURE_COLUMNS, { columns: ['content_id'] })

/** Stores structures of contents that still exist: no row may refer to one that was deleted. They replace others. */
export async function putStructures(tx: Tx, rows: readonly ContentStructureRow[]): Promise<void> {
  await tx.runRows([rowStep(insertStructures, await ofKeptContents(tx, rows))])
}

/** As `putStructures`, for contents that have no structure of this version: another node may have stored a better one meanwhile. */
export async function putMissingStructures(tx: Tx, rows: readonly ContentStructureRow[]): Promise<void> {
  const kept = await ofKeptContents(tx, rows)
  for (const { content_id, version } of kept) {
    await tx
      .deleteFrom('content_structures')
      .where('content_id', '=', content_id)
      .where('version', '<>', version)
      .execute()
  }
  await tx.runRows([rowStep(insertNewStructures, kept)])
}

async function ofKeptContents(tx: Tx, rows: readonly ContentStructureRow[]): Promise<readonly ContentStructureRow[]> {
  const ids = rows.map((row) => row.content_id)
  const kept = await tx.forShare(tx.selectFrom('contents')).select('id').where('id', 'in', ids).orderBy('id').execute()
  const known = new Set(kept.map(({ id }) => id))
  return rows.filter((row) => known.has(row.content_id))
}
