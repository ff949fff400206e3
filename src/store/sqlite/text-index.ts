/**
 * Substring search with FTS5's trigram tokenizer, which finds 验证码 inside a sentence where word indexes do not.
 *
 * The index keeps no text (contentless); its rowid is messages.number, which grows with time, so that "newest first"
 * needs no sorting. What is looked for is always a quoted string in MATCH, where no operator has a meaning.
 */
import { type Kysely, sql } from 'kysely'
import type { IndexedText, TextClause, TextColumn, TextFound, TextSearch } from '../dialect.ts'
import type { Db, Schema, Tx } from '../schema.ts'
import { writeLate } from '../transaction.ts'

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

/** Merging later than by default (4 and 16) saves a quarter of indexing's time and writes; a search is as fast. */
export const createTextIndex = [
  `create virtual table messages_text using fts5(
    subject, addresses, body, content = '', contentless_delete = 1, tokenize = 'trigram'
  )`,
  `insert into messages_text (messages_text, rank) values ('automerge', 16)`,
  `insert into messages_text (messages_text, rank) values ('crisismerge', 32)`,
] as const

interface TextSchema {
  messages_text: { rowid: number; subject: string; addresses: string; body: string }
}
type TextTx = Pick<Kysely<TextSchema>, 'insertInto' | 'deleteFrom'>

/**
 * Late, after the last member of the group: FTS5 writes out what it has gathered at each savepoint, and a third more
 * messages a second go in when there are none between them.
 */
export async function indexText(tx: Tx, messageNumber: number, text: IndexedText): Promise<void> {
  const row = { rowid: messageNumber, subject: cut(text.subject), addresses: cut(text.addresses), body: cut(text.body) }
  writeLate(tx, async (lateTx) => {
    await (lateTx as unknown as TextTx).insertInto('messages_text').values(row).execute()
  })
}

/** Late as well, so that it stays behind an `indexText` of the same transaction. */
export async function unindexText(tx: Tx, messageNumber: number): Promise<void> {
  writeLate(tx, async (lateTx) => {
    await (lateTx as unknown as TextTx).deleteFrom('messages_text').where('rowid', '=', messageNumber).execute()
  })
}

export async function searchText(db: Db, search: TextSearch): Promise<TextFound> {
  const clauses = search.anyOf
    .map(({ columns, allOf }) => ({
      columns,
      allOf: allOf
        .slice(0, TEXTS_MAX)
        .map(clean)
        .filter((text) => text !== ''),
    }))
    .filter(({ columns, allOf }) => columns.length > 0 && allOf.length > 0)
  if (clauses.length === 0) return { messages: [], nextNumber: undefined }

  const isShort = clauses.some(({ allOf }) => allOf.every((text) => charCount(text) < TRIGRAM_CHARS))
  return gather(search, isShort ? scan(db, search.inboxId, clauses) : match(db, clauses))
}

interface Candidate {
  number: number
  id: string | null
  inbox_id: string | null
  /** Whether the row fits; candidates of the index do. */
  fits: number
}
type ReadCandidates = (beforeNumber: number, rowsMax: number) => Promise<Candidate[]>

/** Reads candidates, newest first, until the page is full, the budget spent, or nothing is left. */
async function gather(search: TextSearch, read: ReadCandidates): Promise<TextFound> {
  const messages: { id: string; number: number }[] = []
  let before = search.beforeNumber ?? Number.MAX_SAFE_INTEGER
  for (let budget = search.scanRowsMax; budget > 0; ) {
    const rowsMax = Math.min(budget, BATCH_ROWS)
    const candidates = await read(before, rowsMax)
    for (const { number, id, inbox_id, fits } of candidates) {
      before = number
      if (id !== null && inbox_id === search.inboxId && fits) messages.push({ id, number })
      if (messages.length === search.limit) return { messages, nextNumber: before }
    }
    if (candidates.length < rowsMax) return { messages, nextNumber: undefined }
    budget -= candidates.length
    await new Promise(setImmediate)
  }
  return { messages, nextNumber: before }
}

function match(db: Db, clauses: readonly TextClause[]): ReadCandidates {
  const expression = clauses.map(matchClause).join(' OR ')
  return (beforeNumber, rowsMax) =>
    (db as unknown as Kysely<TextSchema & Schema>)
      .selectFrom((from) =>
        from
          .selectFrom('messages_text')
          .select('rowid as number')
          .where(sql<boolean>`messages_text match ${expression}`)
          .where('rowid', '<', beforeNumber)
          .orderBy('rowid', 'desc')
          .limit(rowsMax)
          .as('found'),
      )
      .leftJoin('messages', 'messages.number', 'found.number')
      .select(['found.number', 'messages.id', 'messages.inbox_id', sql<number>`1`.as('fits')])
      .orderBy('found.number', 'desc')
      .execute()
}

/** `({subject addresses} : ("a b" AND "c"))`: quoted, a quote doubled, hence nothing but strings. */
function matchClause({ columns, allOf }: TextClause): string {
  const long = allOf.filter((text) => charCount(text) >= TRIGRAM_CHARS)
  return `({${columns.join(' ')}} : (${long.map((text) => `"${text.replaceAll('"', '""')}"`).join(' AND ')}))`
}

/** Looks at rows themselves, without an index; the body is not in them, its beginning (preview) is. */
function scan(db: Db, inboxId: string, clauses: readonly TextClause[]): ReadCandidates {
  const fits = sql.join(clauses.map(scanClause), sql` or `)
  return (beforeNumber, rowsMax) =>
    db
      .selectFrom('messages')
      .where('inbox_id', '=', inboxId)
      .where('number', '<', beforeNumber)
      .select(['number', 'id', 'inbox_id', sql<number>`(${fits})`.as('fits')])
      .orderBy('number', 'desc')
      .limit(rowsMax)
      .execute()
}

function scanClause({ columns, allOf }: TextClause) {
  const all = allOf.map((text) => {
    const any = columns.map((column) => sql<boolean>`${SCANNED[column](text.toLowerCase())}`)
    return sql<boolean>`(${sql.join(any, sql` or `)})`
  })
  return sql<boolean>`(${sql.join(all, sql` and `)})`
}

// SQLite's lower() knows ASCII only; so a short "Ü" finds no "ü", which the trigram index would.
const SCANNED: Record<TextColumn, (text: string) => ReturnType<typeof sql<boolean>>> = {
  subject: (text) => sql<boolean>`instr(lower(coalesce(subject, '')), ${text}) > 0`,
  body: (text) => sql<boolean>`instr(lower(coalesce(preview, '')), ${text}) > 0`,
  addresses: (text) =>
    sql<boolean>`exists (select 1 from message_addresses where message_id = messages.id
      and (instr(address, ${text}) > 0 or instr(lower(coalesce(name, '')), ${text}) > 0))`,
}

/** NUL would end SQLite's string in the middle of a quoted one. */
function clean(text: string): string {
  return text.replaceAll('\0', '').slice(0, TEXT_CHARS_MAX)
}

function cut(text: string): string {
  return text.slice(0, INDEXED_CHARS_MAX)
}

/** Characters as SQLite counts them: code points. */
function charCount(text: string): number {
  return [...text].length
}
