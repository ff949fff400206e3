/** Queries for inboxes and their counters. Rows only. Inboxes that are being deleted are hidden unless stated. */
import { type SqlBool, sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { prepareLock, prepareQuery } from '../prepared-query.ts'
import { selectRows, updateRows } from '../row-statements.ts'
import type { InboxRow } from '../schema/tenant-rows.ts'
import { type Keyset, onePage } from './keyset.ts'
import { hasInboundLists } from './list-entries-table.ts'

const rowByAddress = prepareQuery((db, { address }: { address: string }) =>
  db.selectFrom('inboxes').selectAll().where('address', '=', address).where('deleting_at', 'is', null),
)

export async function getByAddress(db: Db, address: string): Promise<InboxRow | undefined> {
  const [row] = await rowByAddress(db, { address })
  return row
}

const lockedByAddress = prepareLock('forUpdate', (db, { address }: { address: string }) =>
  db.selectFrom('inboxes').selectAll().where('address', '=', address).where('deleting_at', 'is', null),
)

/** As `getByAddress`, and locks the row until the commit: for callers whose writes depend on what they read. */
export async function lockByAddress(tx: Tx, address: string): Promise<InboxRow | undefined> {
  const [row] = await lockedByAddress(tx, { address })
  return row
}

/** An inbox that gets mail. */
export type RecipientInboxRow = InboxRow & {
  /** 1: lists of its organization concern received mail. */
  readonly has_inbound_lists: number
  /** Its domain: that of its address, or one above it; null if it is not held: then it gets mail only for aliases and as a catch-all. */
  readonly domain: string | null
}

const byAddress = `select inboxes.*, ${hasInboundLists}, domains.domain from inboxes
  left join domains on domains.id = inboxes.domain_id and domains.holds_name = 1
  where inboxes.address = :address and inboxes.deleting_at is null`
const inboxLock = { of: 'inboxes', orderBy: 'inboxes.address' } as const

/** Returns the inboxes with these addresses and locks them, without those that another node has locked. */
export const selectAndLockFree = selectRows<Pick<InboxRow, 'address'>, RecipientInboxRow>(
  { address: 'text' },
  byAddress,
  { ...inboxLock, skipLocked: true },
)

/**
 * Locks the inboxes with these addresses. It waits for other nodes. PostgreSQL reads what is joined with an inbox as it was when the
 * statement began, so this statement waits and `selectAndLockFree`, after it, reads.
 */
export const waitAndLock = selectRows<Pick<InboxRow, 'address'>, Pick<InboxRow, 'address'>>(
  { address: 'text' },
  'select inboxes.address from inboxes where inboxes.address = :address and inboxes.deleting_at is null',
  { ...inboxLock, skipLocked: false },
)

const lockedById = prepareLock('forUpdate', (db, { id }: { id: string }) =>
  db.selectFrom('inboxes').selectAll().where('id', '=', id).where('deleting_at', 'is', null),
)

export async function lockById(tx: Tx, id: string): Promise<InboxRow | undefined> {
  const [row] = await lockedById(tx, { id })
  return row
}

/** Locks inboxes, in the order of `waitAndLock`. @returns those that exist, without those that are being deleted */
export async function lockByIds(tx: Tx, ids: readonly string[]): Promise<InboxScopeRow[]> {
  if (ids.length === 0) return []
  return tx
    .forUpdate(tx.selectFrom('inboxes'))
    .select(['id', 'address', 'organization_id', 'pod_id'])
    .where('id', 'in', ids)
    .where('deleting_at', 'is', null)
    .orderBy('address')
    .execute()
}

/** Locks the inbox, also one that is being deleted. @returns undefined when the row no longer exists */
export async function lockEvenIfDeleting(tx: Tx, id: string): Promise<InboxRow | undefined> {
  return tx.forUpdate(tx.selectFrom('inboxes')).selectAll().where('id', '=', id).executeTakeFirst()
}

const rowById = prepareQuery((db, { id }: { id: string }) =>
  db.selectFrom('inboxes').selectAll().where('id', '=', id).where('deleting_at', 'is', null),
)

export async function getById(db: Db, id: string): Promise<InboxRow | undefined> {
  const [row] = await rowById(db, { id })
  return row
}

/** An inbox and the scope that it is in. */
export type InboxScopeRow = Pick<InboxRow, 'id' | 'address' | 'organization_id' | 'pod_id'>

export async function listByIds(db: Db, ids: readonly string[]): Promise<InboxScopeRow[]> {
  return listScopes(db, 'id', ids)
}

export async function listByAddresses(db: Db, addresses: readonly string[]): Promise<InboxScopeRow[]> {
  return listScopes(db, 'address', addresses)
}

async function listScopes(db: Db, column: 'id' | 'address', values: readonly string[]): Promise<InboxScopeRow[]> {
  if (values.length === 0) return []
  return db
    .selectFrom('inboxes')
    .select(['id', 'address', 'organization_id', 'pod_id'])
    .where(column, 'in', values)
    .where('deleting_at', 'is', null)
    .execute()
}

const restricted = prepareQuery((db, { ids }: { ids: readonly string[] }) =>
  db
    .selectFrom('inboxes')
    .leftJoin('domains', (join) =>
      join.onRef('domains.id', '=', 'inboxes.domain_id').on('domains.holds_name', '=', sql.lit(1)),
    )
    .select(['inboxes.id', 'address', 'inboxes.status', 'domain_id', 'inboxes.organization_id', 'inboxes.pod_id'])
    .where('inboxes.id', 'in', ids)
    .where((where) =>
      where.or([
        where('inboxes.status', '!=', 'active'),
        where('domains.domain', 'is', null),
        sql<SqlBool>`inboxes.address not like ('%@' || domains.domain)`,
      ]),
    ),
)

/** An inbox that may not send, or not in the name of every address. */
export type RestrictedInboxRow = Pick<
  InboxRow,
  'id' | 'address' | 'status' | 'domain_id' | 'organization_id' | 'pod_id'
>

/** Returns those of the inboxes that are paused, or whose domain is not held or not that of their address. */
export async function listRestricted(db: Db, ids: readonly string[]): Promise<RestrictedInboxRow[]> {
  return ids.length === 0 ? [] : restricted(db, { ids })
}

/** A client_id is unique within a pod. */
export async function getByClientId(db: Db, podId: string, clientId: string): Promise<InboxRow | undefined> {
  return db
    .selectFrom('inboxes')
    .selectAll()
    .where('pod_id', '=', podId)
    .where('client_id', '=', clientId)
    .where('deleting_at', 'is', null)
    .executeTakeFirst()
}

/** Whether the address is in use: by an inbox, also one that is still being deleted, or as an alias. */
export async function isAddressUsed(db: Db, address: string): Promise<boolean> {
  const row = await db
    .selectFrom('inboxes')
    .select('address')
    .where('address', '=', address)
    .unionAll(db.selectFrom('inbox_aliases').select('address').where('address', '=', address))
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Locks the inbox of this address, also one that is being deleted, if it belongs to another domain, and so perhaps to another tenant. */
export async function lockOfOtherDomain(tx: Tx, address: string, domainId: string): Promise<InboxRow | undefined> {
  return tx
    .forUpdate(tx.selectFrom('inboxes'))
    .selectAll()
    .where('address', '=', address)
    .where('domain_id', '!=', domainId)
    .executeTakeFirst()
}

export async function setAddress(tx: Tx, id: string, address: string): Promise<void> {
  await tx.updateTable('inboxes').set({ address, updated_at: tx.now }).where('id', '=', id).execute()
}

/** Whether the inbox of this address was deleted but its mail is still being removed. */
export async function isBeingRemoved(db: Db, address: string): Promise<boolean> {
  const row = await db
    .selectFrom('inboxes')
    .select('id')
    .where('address', '=', address)
    .where('deleting_at', 'is not', null)
    .executeTakeFirst()
  return row !== undefined
}

/** Whether the pod still has an inbox, also one that is being deleted. */
export async function podHasInbox(db: Db, podId: string): Promise<boolean> {
  const row = await db.selectFrom('inboxes').select('id').where('pod_id', '=', podId).limit(1).executeTakeFirst()
  return row !== undefined
}

export interface InboxScope {
  readonly organizationId: string
  readonly podId?: string | undefined
  readonly inboxId?: string | undefined
}

export async function list(db: Db, scope: InboxScope, keyset: Keyset): Promise<InboxRow[]> {
  return inScope(db, scope, keyset).selectAll().execute()
}

/** What a search compares. */
export type InboxNames = Pick<InboxRow, 'id' | 'address' | 'display_name' | 'created_at'>

/** Lists the same inboxes without their metadata. */
export async function listNames(db: Db, scope: InboxScope, keyset: Keyset): Promise<InboxNames[]> {
  return inScope(db, scope, keyset).select(['id', 'address', 'display_name', 'created_at']).execute()
}

/** An inbox and the number of its newest message; null: it has none. */
export type InboxWithNewest = Pick<InboxRow, 'id' | 'created_at' | 'message_count'> & { newest: number | null }

/** Lists the same inboxes with the number of their newest message. */
export async function listNewest(db: Db, scope: InboxScope, keyset: Keyset): Promise<InboxWithNewest[]> {
  return inScope(db, scope, keyset)
    .select((eb) => [
      'id',
      'created_at',
      'message_count',
      eb
        .selectFrom('messages')
        .select(({ fn }) => fn.max('messages.number').as('newest'))
        .whereRef('messages.inbox_id', '=', 'inboxes.id')
        .as('newest'),
    ])
    .execute() as Promise<InboxWithNewest[]>
}

function inScope(db: Db, scope: InboxScope, keyset: Keyset) {
  return db
    .selectFrom('inboxes')
    .$call((query) => {
      if (scope.inboxId !== undefined) return query.where('id', '=', scope.inboxId)
      if (scope.podId !== undefined) return query.where('pod_id', '=', scope.podId)
      return query
    })
    .where('organization_id', '=', scope.organizationId)
    .where('deleting_at', 'is', null)
    .$call((query) => onePage(query, 'created_at', keyset))
}

export async function listRows(db: Db, ids: readonly string[]): Promise<InboxRow[]> {
  if (ids.length === 0) return []
  return db.selectFrom('inboxes').selectAll().where('id', 'in', ids).where('deleting_at', 'is', null).execute()
}

/** The fields that the caller sets; the other fields of a new inbox are always the same. */
export type NewInboxRow = Pick<InboxRow, 'organization_id' | 'pod_id' | 'domain_id' | 'address' | 'created_by'> &
  Pick<InboxRow, 'display_name' | 'client_id' | 'metadata' | 'status'> &
  Partial<InboxLimitColumns>

/** The columns that replace the settings for one inbox. */
export type InboxLimitColumns = Pick<
  InboxRow,
  'quota_bytes' | 'quota_messages' | 'retention_days' | 'challenge_senders'
>

export async function insert(tx: Tx, inbox: NewInboxRow): Promise<InboxRow> {
  const row: InboxRow = {
    ...{ quota_bytes: null, quota_messages: null, retention_days: null, challenge_senders: null },
    ...inbox,
    id: tx.newId(),
    message_count: 0,
    unread_count: 0,
    unread_shown_count: 0,
    unread_unauthenticated_count: 0,
    mails_notifications: 0,
    thread_count: 0,
    size_bytes: 0,
    deleting_at: null,
    created_at: tx.now,
    updated_at: tx.now,
  }
  await tx.insertInto('inboxes').values(row).execute()
  return row
}

export async function update(
  tx: Tx,
  id: string,
  change: Partial<Pick<InboxRow, 'display_name' | 'metadata' | 'status' | 'updated_at' | 'deleting_at' | 'client_id'>> &
    Partial<InboxLimitColumns>,
): Promise<void> {
  await tx.updateTable('inboxes').set(change).where('id', '=', id).execute()
}

export async function remove(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('inboxes').where('id', '=', id).execute()
}

/** Lists some inboxes in the order of their ids, with what a retention sweep needs. @param isOwnOnly those with a retention of their own */
export async function listRetained(
  db: Db,
  { isOwnOnly, afterId }: { readonly isOwnOnly: boolean; readonly afterId: string },
  limit: number,
): Promise<Pick<InboxRow, 'id' | 'retention_days'>[]> {
  return db
    .selectFrom('inboxes')
    .select(['id', 'retention_days'])
    .where('id', '>', afterId)
    .$if(isOwnOnly, (query) => query.where('retention_days', '>', 0))
    .where('deleting_at', 'is', null)
    .orderBy('id')
    .limit(limit)
    .execute()
}

/** Maps inbox ids to addresses, for rows that contain only the id. */
export async function addresses(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('inboxes').select(['id', 'address']).where('id', 'in', ids).execute()
  return new Map(rows.map((row) => [row.id, row.address]))
}

/** Adds to the counters, in the transaction that changes what they count. One row per inbox. */
export const addCounts = updateRows(
  'inboxes',
  'id',
  {
    id: 'text',
    message_count: 'bigint',
    unread_count: 'bigint',
    unread_shown_count: 'bigint',
    unread_unauthenticated_count: 'bigint',
    thread_count: 'bigint',
    size_bytes: 'bigint',
  },
  ['message_count', 'unread_count', 'unread_shown_count', 'unread_unauthenticated_count', 'thread_count', 'size_bytes'],
)
