/**
 * Substring search with pg_trgm, which finds 验证码 inside a sentence; word indexes do not.
 *
 * The table stores the texts in lower case, because the index finds only candidates: LIKE decides. Its key is
 * messages.number, which increases with time.
 */
import { type Kysely, type SqlBool, sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import type { Schema } from '../schema/schema.ts'
import type { IndexedText, TextClause, TextFound, TextSearch } from '../sql-adapter.ts'
import { hasTrigram, indexable, type ReadCandidates, search } from '../text-search.ts'

export const createTextIndex = [
  `create table messages_text (
    number bigint primary key,
    inbox_id text collate "C" not null,
    subject text collate "C" not null,
    addresses text collate "C" not null,
    body text collate "C" not null
  )`,
  // For texts that many messages contain: reading newest first then finds a page sooner than the trigram index.
  `create index messages_text_by_inbox on messages_text (inbox_id, number)`,
  `create index messages_text_trigrams on messages_text
    using gin (subject gin_trgm_ops, addresses gin_trgm_ops, body gin_trgm_ops)`,
] as const

interface TextSchema extends Schema {
  messages_text: { number: number; inbox_id: string; subject: string; addresses: string; body: string }
}
type TextTx = Pick<Kysely<TextSchema>, 'insertInto' | 'deleteFrom' | 'selectFrom'>

export async function indexText(tx: Tx, messageNumber: number, text: IndexedText): Promise<void> {
  const { subject, addresses, body } = indexable(text)
  const textTx = tx as unknown as TextTx
  await textTx
    .insertInto('messages_text')
    .columns(['number', 'inbox_id', 'subject', 'addresses', 'body'])
    .expression(
      textTx
        .selectFrom('messages')
        .select((eb) => [
          'number',
          'inbox_id',
          eb.val(subject.toLowerCase()).as('subject'),
          eb.val(addresses.toLowerCase()).as('addresses'),
          eb.val(body.toLowerCase()).as('body'),
        ])
        .where('number', '=', messageNumber),
    )
    .execute()
}

export async function unindexText(tx: Tx, messageNumber: number): Promise<void> {
  await (tx as unknown as TextTx).deleteFrom('messages_text').where('number', '=', messageNumber).execute()
}

export async function searchText(db: Db, what: TextSearch): Promise<TextFound> {
  return search(db, what, { match, position: 'strpos' })
}

function match(db: Db, { inboxId }: TextSearch, clauses: readonly TextClause[]): ReadCandidates {
  const fits = sql<SqlBool>`(${sql.join(clauses.map(matchClause), sql` or `)})`
  return (beforeNumber, rowsMax) =>
    (db as unknown as Kysely<TextSchema>)
      .selectFrom('messages_text')
      .innerJoin('messages', 'messages.number', 'messages_text.number')
      .select(['messages.number', 'messages.id', 'messages.inbox_id', sql<number>`1`.as('fits')])
      .where('messages_text.inbox_id', '=', inboxId)
      .where('messages_text.number', '<', beforeNumber)
      .where(fits)
      .orderBy('messages_text.number', 'desc')
      .limit(rowsMax)
      .execute()
}

function matchClause({ columns, allOf }: TextClause) {
  const all = allOf.filter(hasTrigram).map((text) => {
    const pattern = `%${text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`
    return sql`(${sql.join(
      columns.map((column) => sql`${sql.ref(`messages_text.${column}`)} like ${pattern}`),
      sql` or `,
    )})`
  })
  return sql`(${sql.join(all, sql` and `)})`
}
