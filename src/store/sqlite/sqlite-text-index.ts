/**
 * Substring search with FTS5's trigram tokenizer, which finds 验证码 inside a sentence; word indexes do not.
 *
 * The index stores no text (contentless). Its rowid is messages.number, which increases with time, so that "newest
 * first" needs no sorting. Search texts are always quoted strings in MATCH, in which no character is an operator.
 */
import { type Kysely, sql } from 'kysely'
import { writeLate } from '../commit/transaction.ts'
import type { Db, Tx } from '../handles.ts'
import type { Schema } from '../schema/schema.ts'
import type { IndexedText, TextClause, TextFound, TextSearch } from '../sql-adapter.ts'
import { hasTrigram, indexable, type ReadCandidates, search } from '../text-search.ts'

/** Merging later than the defaults (4 and 16) saves a quarter of the time and writes of indexing; search is as fast. */
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
 * Indexes late, after the last member of the group: FTS5 flushes its buffer at each savepoint, and without savepoints
 * between messages it indexes a third more messages per second.
 */
export async function indexText(tx: Tx, messageNumber: number, text: IndexedText): Promise<void> {
  const row = { rowid: messageNumber, ...indexable(text) }
  writeLate(tx, async (lateTx) => {
    await (lateTx as unknown as TextTx).insertInto('messages_text').values(row).execute()
  })
}

/** Also runs late, so that it follows an `indexText` of the same transaction. */
export async function unindexText(tx: Tx, messageNumber: number): Promise<void> {
  writeLate(tx, async (lateTx) => {
    await (lateTx as unknown as TextTx).deleteFrom('messages_text').where('rowid', '=', messageNumber).execute()
  })
}

export async function searchText(db: Db, what: TextSearch): Promise<TextFound> {
  return search(db, what, { match, position: 'instr' })
}

function match(db: Db, _search: TextSearch, clauses: readonly TextClause[]): ReadCandidates {
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

/** Returns `({subject addresses} : ("a b" AND "c"))`: texts are quoted and quotes doubled, so they are only strings. */
function matchClause({ columns, allOf }: TextClause): string {
  const quoted = allOf.filter(hasTrigram).map((text) => `"${text.replaceAll('"', '""')}"`)
  return `({${columns.join(' ')}} : (${quoted.join(' AND ')}))`
}
