/**
 * The parts of text search that both databases share: the indexed and searched texts, pages and the row budget, and the
 * scan of the rows for texts that are too short for a trigram.
 */
import { type Expression, type RawBuilder, sql } from 'kysely'
import type { Db } from './handles.ts'
import type { IndexedText, TextClause, TextColumn, TextFound, TextSearch } from './sql-adapter.ts'
import { hasAddress } from './tables/addresses-table.ts'

/**
 * Indexed characters per column. Indexing takes 0.1 to 0.8 ms per 1,000 characters, and two to six times their size on
 * disk. A report of some megabytes must not delay all other mail, and people mostly search for text near the top.
 */
const INDEXED_CHARS_MAX = 32_768

/** Texts per clause, and characters per text: they bound the size of a query. */
const TEXTS_MAX = 32
const TEXT_CHARS_MAX = 256

/** Candidates per statement: between two statements we yield to the event loop. */
const BATCH_ROWS = 200

const ADDRESS_KINDS = ['from', 'sender', 'reply_to', 'to', 'cc', 'bcc'] as const

/** Shorter texts have no trigram. */
const TRIGRAM_CHARS = 3

export interface SearchCandidate {
  number: number
  id: string | null
  inbox_id: string | null
  /** 1 when the row matches; candidates from the index always do. */
  fits: number
}
/** Reads candidates, newest first. */
export type ReadCandidates = (beforeNumber: number, rowsMax: number) => Promise<SearchCandidate[]>

export interface SearchFunctions {
  /** Reads candidates from the index; each clause must have a text that is long enough. */
  readonly match: (db: Db, search: TextSearch, clauses: readonly TextClause[]) => ReadCandidates
  /** The SQL function that returns the position of one text in another, 0 when it does not occur. */
  readonly position: 'instr' | 'strpos'
}

export async function search(db: Db, request: TextSearch, { match, position }: SearchFunctions): Promise<TextFound> {
  const clauses = request.anyOf
    .map(({ columns, allOf }) => ({
      columns,
      allOf: allOf
        .slice(0, TEXTS_MAX)
        .map(clean)
        .filter((text) => text !== ''),
    }))
    .filter(({ columns, allOf }) => columns.length > 0 && allOf.length > 0)
  if (clauses.length === 0) return { messages: [], nextNumber: undefined }

  const isShort = clauses.some(({ allOf }) => !allOf.some(hasTrigram))
  return gather(request, isShort ? scan(db, request.inboxId, clauses, position) : match(db, request, clauses))
}

/** Returns the part of a message's text that is indexed. */
export function indexable({ subject, addresses, body }: IndexedText): IndexedText {
  const cut = (text: string) => text.slice(0, INDEXED_CHARS_MAX)
  return { subject: cut(subject), addresses: cut(addresses), body: cut(body) }
}

/** Whether a text is long enough for a trigram. Databases count characters as code points. */
export function hasTrigram(text: string): boolean {
  return [...text].length >= TRIGRAM_CHARS
}

/** Reads candidates, newest first, until the page is full, the budget is spent, or no candidate is left. */
async function gather(request: TextSearch, read: ReadCandidates): Promise<TextFound> {
  const messages: { id: string; number: number }[] = []
  let before = request.beforeNumber ?? Number.MAX_SAFE_INTEGER
  for (let budget = request.scanRowsMax; budget > 0; ) {
    const rowsMax = Math.min(budget, BATCH_ROWS)
    const candidates = await read(before, rowsMax)
    for (const { number, id, inbox_id, fits } of candidates) {
      before = number
      if (id !== null && inbox_id === request.inboxId && fits) messages.push({ id, number })
      if (messages.length === request.limit) return { messages, nextNumber: before }
    }
    if (candidates.length < rowsMax) return { messages, nextNumber: undefined }
    budget -= candidates.length
    await new Promise(setImmediate)
  }
  return { messages, nextNumber: before }
}

/** Scans the message rows, without an index. A row does not contain the body, only its beginning (preview). */
function scan(
  db: Db,
  inboxId: string,
  clauses: readonly TextClause[],
  position: SearchFunctions['position'],
): ReadCandidates {
  const fits = sql.join(
    clauses.map((clause) => scanClause(clause, position)),
    sql` or `,
  )
  return (beforeNumber, rowsMax) =>
    db
      .selectFrom('messages')
      .where('inbox_id', '=', inboxId)
      .where('number', '<', beforeNumber)
      .select(['number', 'id', 'inbox_id', sql<number>`case when ${fits} then 1 else 0 end`.as('fits')])
      .orderBy('number', 'desc')
      .limit(rowsMax)
      .execute()
}

function scanClause({ columns, allOf }: TextClause, position: SearchFunctions['position']): RawBuilder<unknown> {
  const all = allOf.map((text) => {
    const any = columns.map((column) => scanned(column, text.toLowerCase(), sql.raw(position)))
    return sql`(${sql.join(any, sql` or `)})`
  })
  return sql`(${sql.join(all, sql` and `)})`
}

/** On both databases, lower() folds only ASCII, so a short "Ü" does not find "ü"; a trigram would. */
function scanned(column: TextColumn, text: string, position: RawBuilder<unknown>): Expression<unknown> {
  switch (column) {
    case 'subject':
      return sql`${position}(lower(coalesce(subject, '')), ${text}) > 0`
    case 'body':
      return sql`${position}(lower(coalesce(preview, '')), ${text}) > 0`
    case 'addresses':
      return hasAddress(
        { id: sql.ref('messages.id'), contentId: sql.ref('messages.content_id') },
        ADDRESS_KINDS,
        sql`(${position}(sent.address, ${text}) > 0 or ${position}(lower(coalesce(sent.name, '')), ${text}) > 0)`,
      )
  }
}

/** Removes NUL, which would end SQLite's query inside a quoted string. Truncates long texts. */
function clean(text: string): string {
  return text.replaceAll('\0', '').slice(0, TEXT_CHARS_MAX)
}
