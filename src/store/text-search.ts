/**
 * What searching for texts has in common on both databases: which texts are looked for, page and budget, and the look at
 * rows themselves for texts that are too short for a trigram.
 */
import { type RawBuilder, sql } from 'kysely'
import type { IndexedText, TextClause, TextColumn, TextFound, TextSearch } from './dialect.ts'
import type { Db } from './schema.ts'

/**
 * Of one column. Indexing costs 0.1 to 0.8 ms for 1,000 characters and takes twice to six times their size on disk, so
 * a report of some megabytes must not hold up everybody's mail; people search for what stands at the top.
 */
const INDEXED_CHARS_MAX = 32_768

/** Texts looked for at once, and characters of one: a query must stay small beside its answer. */
const TEXTS_MAX = 32
const TEXT_CHARS_MAX = 256

/** Candidates read by one statement: the event loop gets its turn between two. */
const BATCH_ROWS = 200

/** Shorter texts have no trigram. */
const TRIGRAM_CHARS = 3

export interface Candidate {
  number: number
  id: string | null
  inbox_id: string | null
  /** Whether the row fits; candidates of the index do. */
  fits: number
}
/** Newest first. */
export type ReadCandidates = (beforeNumber: number, rowsMax: number) => Promise<Candidate[]>

export interface SearchWords {
  /** Candidates from the index, for clauses that each have a text long enough. */
  readonly match: (db: Db, search: TextSearch, clauses: readonly TextClause[]) => ReadCandidates
  /** The function that gives the position of a text in another, 0 for nowhere. */
  readonly position: 'instr' | 'strpos'
}

export async function search(db: Db, what: TextSearch, { match, position }: SearchWords): Promise<TextFound> {
  const clauses = what.anyOf
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
  return gather(what, isShort ? scan(db, what.inboxId, clauses, position) : match(db, what, clauses))
}

/** What of a message is put into the index. */
export function indexable({ subject, addresses, body }: IndexedText): IndexedText {
  const cut = (text: string) => text.slice(0, INDEXED_CHARS_MAX)
  return { subject: cut(subject), addresses: cut(addresses), body: cut(body) }
}

/** Characters as databases count them: code points. */
export function hasTrigram(text: string): boolean {
  return [...text].length >= TRIGRAM_CHARS
}

/** Reads candidates, newest first, until the page is full, the budget spent, or nothing is left. */
async function gather(what: TextSearch, read: ReadCandidates): Promise<TextFound> {
  const messages: { id: string; number: number }[] = []
  let before = what.beforeNumber ?? Number.MAX_SAFE_INTEGER
  for (let budget = what.scanRowsMax; budget > 0; ) {
    const rowsMax = Math.min(budget, BATCH_ROWS)
    const candidates = await read(before, rowsMax)
    for (const { number, id, inbox_id, fits } of candidates) {
      before = number
      if (id !== null && inbox_id === what.inboxId && fits) messages.push({ id, number })
      if (messages.length === what.limit) return { messages, nextNumber: before }
    }
    if (candidates.length < rowsMax) return { messages, nextNumber: undefined }
    budget -= candidates.length
    await new Promise(setImmediate)
  }
  return { messages, nextNumber: before }
}

/** Looks at rows themselves, without an index; the body is not in them, its beginning (preview) is. */
function scan(
  db: Db,
  inboxId: string,
  clauses: readonly TextClause[],
  position: SearchWords['position'],
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

function scanClause({ columns, allOf }: TextClause, position: SearchWords['position']): RawBuilder<unknown> {
  const all = allOf.map((text) => {
    const any = columns.map((column) => scanned(column, text.toLowerCase(), sql.raw(position)))
    return sql`(${sql.join(any, sql` or `)})`
  })
  return sql`(${sql.join(all, sql` and `)})`
}

/** lower() knows ASCII only, on both databases; so a short "Ü" finds no "ü", which a trigram would. */
function scanned(column: TextColumn, text: string, position: RawBuilder<unknown>): RawBuilder<unknown> {
  switch (column) {
    case 'subject':
      return sql`${position}(lower(coalesce(subject, '')), ${text}) > 0`
    case 'body':
      return sql`${position}(lower(coalesce(preview, '')), ${text}) > 0`
    case 'addresses':
      return sql`exists (select 1 from message_addresses where message_id = messages.id
        and (${position}(address, ${text}) > 0 or ${position}(lower(coalesce(name, '')), ${text}) > 0))`
  }
}

/** NUL would end SQLite's string in the middle of a quoted one. */
function clean(text: string): string {
  return text.replaceAll('\0', '').slice(0, TEXT_CHARS_MAX)
}
