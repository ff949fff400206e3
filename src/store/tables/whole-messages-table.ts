/** Queries for messages with the parsed form of their contents, in one statement. Rows only. */
import type { Db } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import { type ParsedRow, parsedColumns } from './contents-table.ts'
import type { StoredMessageRow } from './messages-table.ts'

/** A message with the parsed form of its content. */
export type WholeMessageRow = StoredMessageRow & Omit<ParsedRow, 'id'>

const byId = prepareQuery((db, { inboxId, id, bytesMax }: { inboxId: string; id: string; bytesMax: number }) =>
  wholeMessages(db, inboxId, bytesMax).where('messages.id', '=', id),
)

const byApiId = prepareQuery((db, { inboxId, hash, bytesMax }: { inboxId: string; hash: string; bytesMax: number }) =>
  wholeMessages(db, inboxId, bytesMax).where('messages.api_message_id_hash', '=', hash),
)

function wholeMessages(db: Db, inboxId: string, bytesMax: number) {
  return db
    .selectFrom('messages')
    .innerJoin('contents', 'contents.id', 'messages.content_id')
    .selectAll('messages')
    .select(parsedColumns(bytesMax))
    .where('messages.inbox_id', '=', inboxId)
}

/** @param bytesMax a longer parsed form is not loaded (contents-table.ts) */
export async function getById(
  db: Db,
  inboxId: string,
  id: string,
  bytesMax: number,
): Promise<WholeMessageRow | undefined> {
  const [row] = await byId(db, { inboxId, id, bytesMax })
  return row
}

export async function getByApiId(
  db: Db,
  inboxId: string,
  hash: string,
  bytesMax: number,
): Promise<WholeMessageRow | undefined> {
  const [row] = await byApiId(db, { inboxId, hash, bytesMax })
  return row
}
