/** Queries for the entries of allow and block lists. Rows only: mail/inboxes/lists decides. */
import { sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import { selectRows } from '../row-statements.ts'
import type { ListEntryRow } from '../schema/list-rows.ts'
import { limitTo } from './conditions.ts'

/** One list of an organization, a pod or an inbox. */
export type ListKey = Pick<ListEntryRow, 'scope_id' | 'direction' | 'list_type'>

export type EntryKey = ListKey & Pick<ListEntryRow, 'entry'>

function entriesOf(db: Db, { scope_id, direction, list_type }: ListKey) {
  return db
    .selectFrom('list_entries')
    .selectAll()
    .where('scope_id', '=', scope_id)
    .where('direction', '=', direction)
    .where('list_type', '=', list_type)
}

export async function get(db: Db, key: EntryKey): Promise<ListEntryRow | undefined> {
  return entriesOf(db, key).where('entry', '=', key.entry).executeTakeFirst()
}

/** Lists entries in their order. @param after the last entry of the page before */
export async function list(
  db: Db,
  key: ListKey,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Promise<ListEntryRow[]> {
  return entriesOf(db, key)
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

/** Lists the suppressions of an address, in all organizations or one. */
export async function listSuppressions(db: Db, entry: string, organizationId?: string): Promise<ListEntryRow[]> {
  return db
    .selectFrom('list_entries')
    .selectAll()
    .where('entry', '=', entry)
    .where('read_only', '=', sql.lit(1)) // a literal: with a parameter, the planner cannot use the partial index
    .where('direction', '=', 'send')
    .where('list_type', '=', 'block')
    .$if(organizationId !== undefined, (query) => query.where('organization_id', '=', organizationId!))
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

const anyOf = prepareQuery((db, { organizationId, direction }: { organizationId: string; direction: string }) =>
  db
    .selectFrom('list_entries')
    .select('entry')
    .where('organization_id', '=', organizationId)
    .where('direction', '=', direction as ListEntryRow['direction'])
    .orderBy('entry') // see hasInboundLists
    .limit(1),
)

/** Whether any list of the organization, or of a pod or inbox of it, has an entry for this direction. */
export async function isAnyListed(
  db: Db,
  organizationId: string,
  direction: ListEntryRow['direction'],
): Promise<boolean> {
  return (await anyOf(db, { organizationId, direction })).length > 0
}

/**
 * A column for a select of inboxes: 1 if any list of the inbox's organization concerns received mail ('receive' and 'reply'
 * are before 'send'). It costs one probe of an index, so that mail of other organizations needs no statement for lists. With
 * `limit` and without an order, PostgreSQL would expect to find an entry soon, and read the whole table if there is none.
 */
export const hasInboundLists = `coalesce((select 1 from list_entries
  where list_entries.organization_id = inboxes.organization_id and list_entries.direction < 'send'
  order by list_entries.direction limit 1
), 0) as has_inbound_lists`

/** The same for sent mail. */
export const hasSendLists = `coalesce((select 1 from list_entries
  where list_entries.organization_id = inboxes.organization_id and list_entries.direction = 'send'
  order by list_entries.entry limit 1
), 0) as has_send_lists`

export type ScopeLookup = Pick<ListEntryRow, 'scope_id'>

export type EntryLookup = Pick<ListEntryRow, 'scope_id' | 'entry'>

type FoundEntry = Pick<ListEntryRow, 'scope_id' | 'direction' | 'list_type' | 'entry' | 'read_only'>

function lookupsIn(directions: readonly ListEntryRow['direction'][]) {
  const listed = directions.map((direction) => `'${direction}'`).join(', ')
  const firstAllowed = directions.map(
    (direction) => `select * from (select scope_id, direction from list_entries
      where list_entries.scope_id = :scope_id and list_entries.direction = '${direction}'
        and list_entries.list_type = 'allow' order by list_entries.entry limit 1) as first_${direction}`,
  )
  return {
    /** Returns the entry in each allow list and block list of the scope that has it. */
    entries: selectRows<EntryLookup, FoundEntry>(
      { scope_id: 'text', entry: 'text' },
      `select scope_id, direction, list_type, entry, read_only from list_entries
        where list_entries.scope_id = :scope_id and list_entries.direction in (${listed})
          and list_entries.list_type in ('allow', 'block') and list_entries.entry = :entry`,
    ),
    /** Returns those allow lists of the scope that have any entry. */
    allowing: selectRows<ScopeLookup, Pick<ListEntryRow, 'scope_id' | 'direction'>>(
      { scope_id: 'text' },
      firstAllowed.join(' union all '),
    ),
  }
}

/** Lookups for mail that is sent, and for received mail: its two directions are read at once, before it is known which counts. */
export const outboundLookups = lookupsIn(['send'])
export const inboundLookups = lookupsIn(['receive', 'reply'])
