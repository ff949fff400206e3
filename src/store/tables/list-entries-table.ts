/** Queries for the entries of allow and block lists. Rows only: mail/inboxes/lists decides. */
import { sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import type { ListEntryRow } from '../schema/list-rows.ts'
import { limitTo } from './conditions.ts'

/** One list of an organization, a pod or an inbox. */
export type ListKey = Pick<ListEntryRow, 'scope_id' | 'direction' | 'list_type'>

export type EntryKey = ListKey & Pick<ListEntryRow, 'entry'>

export async function get(db: Db, key: EntryKey): Promise<ListEntryRow | undefined> {
  return db
    .selectFrom('list_entries')
    .selectAll()
    .where('scope_id', '=', key.scope_id)
    .where('direction', '=', key.direction)
    .where('list_type', '=', key.list_type)
    .where('entry', '=', key.entry)
    .executeTakeFirst()
}

/** Lists entries in their order. @param after the last entry of the page before */
export async function list(
  db: Db,
  key: ListKey,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Promise<ListEntryRow[]> {
  return db
    .selectFrom('list_entries')
    .selectAll()
    .where('scope_id', '=', key.scope_id)
    .where('direction', '=', key.direction)
    .where('list_type', '=', key.list_type)
    .$if(after !== undefined, (query) => query.where('entry', '>', after!))
    .orderBy('entry')
    .limit(limit)
    .execute()
}

/** Counts the entries that clients have created, up to `max`. */
export async function countOfClients(
  db: Db,
  { scope_id, direction, list_type }: ListKey,
  max: number,
): Promise<number> {
  const entries = sql`(
    select 1 from list_entries
    where scope_id = ${scope_id} and direction = ${direction} and list_type = ${list_type} and read_only = 0
    ${limitTo(max)}
  )`
  const { count } = await db
    .selectFrom(entries.as('entries'))
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Inserts entries; those that exist stay as they are. */
export async function insertMissing(tx: Tx, rows: readonly ListEntryRow[]): Promise<void> {
  if (rows.length === 0) return
  await tx
    .insertInto('list_entries')
    .values([...rows])
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function remove(tx: Tx, key: EntryKey): Promise<void> {
  await tx
    .deleteFrom('list_entries')
    .where('scope_id', '=', key.scope_id)
    .where('direction', '=', key.direction)
    .where('list_type', '=', key.list_type)
    .where('entry', '=', key.entry)
    .execute()
}

/** Removes up to `limit` entries of a scope that was deleted. @returns whether more may be left */
export async function removeSome(tx: Tx, scopeId: string, limit: number): Promise<boolean> {
  const rows = await tx
    .selectFrom('list_entries')
    .select(['scope_id', 'direction', 'list_type', 'entry'])
    .where('scope_id', '=', scopeId)
    .orderBy('direction')
    .orderBy('list_type')
    .orderBy('entry')
    .limit(limit)
    .execute()
  const last = rows.at(-1)
  if (!last) return false
  await tx
    .deleteFrom('list_entries')
    .where('scope_id', '=', scopeId)
    .where(sql<boolean>`(direction, list_type, entry) <= (${last.direction}, ${last.list_type}, ${last.entry})`)
    .execute()
  return rows.length === limit
}
