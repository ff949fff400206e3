/** Queries for webhooks. Rows only: mail/webhooks decides on access. Webhooks that are being deleted are hidden. */
import type { SelectQueryBuilder } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import type { Schema } from '../schema/schema.ts'
import type { WebhookRow } from '../schema/webhook-rows.ts'
import { type Keyset, onePage } from './keyset.ts'

/** The scope of a webhook; a narrower scope is part of the wider ones. */
export interface WebhookScope {
  readonly organizationId: string
  readonly podId?: string | undefined
  readonly inboxId?: string | undefined
}

export async function getById(db: Db, id: string): Promise<WebhookRow | undefined> {
  return db.selectFrom('webhooks').selectAll().where('id', '=', id).where('deleting_at', 'is', null).executeTakeFirst()
}

/** The same, and locks the row until the commit, for callers whose writes depend on what they read. */
export async function lockById(tx: Tx, id: string): Promise<WebhookRow | undefined> {
  return tx
    .forUpdate(tx.selectFrom('webhooks'))
    .selectAll()
    .where('id', '=', id)
    .where('deleting_at', 'is', null)
    .executeTakeFirst()
}

/** Reads and locks some webhooks, always in the order of their ids, so that two nodes cannot deadlock. */
export async function lockByIds(tx: Tx, ids: readonly string[]): Promise<WebhookRow[]> {
  if (ids.length === 0) return []
  return tx
    .forUpdate(tx.selectFrom('webhooks'))
    .selectAll()
    .where('id', 'in', ids)
    .where('deleting_at', 'is', null)
    .orderBy('id')
    .execute()
}

/** Finds a webhook of exactly this scope. A client_id is unique within the organization, a pod or an inbox, per profile. */
export async function getByClientId(
  db: Db,
  scope: WebhookScope,
  profile: string,
  clientId: string,
): Promise<WebhookRow | undefined> {
  return db
    .selectFrom('webhooks')
    .selectAll()
    .where((eb) => eb.fn.coalesce('inbox_id', 'pod_id', 'organization_id'), '=', narrowest(scope))
    .where('profile', '=', profile)
    .where('client_id', '=', clientId)
    .where('deleting_at', 'is', null)
    .executeTakeFirst()
}

function narrowest({ organizationId, podId, inboxId }: WebhookScope): string {
  return inboxId ?? podId ?? organizationId
}

export async function list(db: Db, scope: WebhookScope, profile: string, keyset: Keyset): Promise<WebhookRow[]> {
  return db
    .selectFrom('webhooks')
    .selectAll()
    .where('organization_id', '=', scope.organizationId)
    .$if(scope.podId !== undefined, (query) => query.where('pod_id', '=', scope.podId!))
    .$if(scope.inboxId !== undefined, (query) => query.where('inbox_id', '=', scope.inboxId!))
    .where('profile', '=', profile)
    .where('deleting_at', 'is', null)
    .$call((query) => onePage(query, 'created_at', keyset))
    .execute()
}

/** Counts the webhooks of an organization, and of one of its pods, up to `max` in all. */
export async function countOf(
  db: Db,
  { organizationId, podId }: WebhookScope,
  max: number,
): Promise<{ inOrganization: number; inPod: number }> {
  const rows = await db
    .selectFrom('webhooks')
    .select('pod_id')
    .where('organization_id', '=', organizationId)
    .where('deleting_at', 'is', null)
    .limit(max)
    .execute()
  const inPod = podId === undefined ? 0 : rows.filter(({ pod_id }) => pod_id === podId).length
  return { inOrganization: rows.length, inPod }
}

/** Returns the lowest start of all enabled webhooks; undefined when none is enabled. */
export async function earliestStart(db: Db): Promise<number | undefined> {
  const row = await enabled(db)
    .select((eb) => eb.fn.min('start_seq').as('start_seq'))
    .executeTakeFirstOrThrow()
  return (row.start_seq as number | null) ?? undefined
}

/** Lists the enabled webhooks of these organizations, which may receive their events. */
export async function listEnabled(db: Db, organizationIds: readonly string[]): Promise<WebhookRow[]> {
  if (organizationIds.length === 0) return []
  return enabled(db).selectAll().where('organization_id', 'in', organizationIds).execute()
}

/**
 * Reads the given webhooks that are still enabled, and locks them shared, in the order of their ids: until the commit, no other
 * transaction can disable, delete or change them.
 */
export async function shareLockEnabledByIds(tx: Tx, ids: readonly string[]): Promise<WebhookRow[]> {
  return ids.length === 0 ? [] : enabledByIds(tx.forShare(tx.selectFrom('webhooks')), ids)
}

/** The same with locks that are not shared. */
export async function lockEnabledByIds(tx: Tx, ids: readonly string[]): Promise<WebhookRow[]> {
  return ids.length === 0 ? [] : enabledByIds(tx.forUpdate(tx.selectFrom('webhooks')), ids)
}

async function enabledByIds(
  query: SelectQueryBuilder<Schema, 'webhooks', object>,
  ids: readonly string[],
): Promise<WebhookRow[]> {
  return query
    .selectAll()
    .where('id', 'in', ids)
    .where('is_enabled', '=', 1)
    .where('deleting_at', 'is', null)
    .orderBy('id')
    .execute()
}

export async function insert(tx: Tx, row: WebhookRow): Promise<void> {
  await tx.insertInto('webhooks').values(row).execute()
}

/** Records that a request succeeded, unless the last one did too. */
export async function clearFailures(tx: Tx, id: string): Promise<void> {
  await tx
    .updateTable('webhooks')
    .set({ failing_since: null, failed_at: null, failures: 0 })
    .where('id', '=', id)
    .where('failing_since', 'is not', null)
    .execute()
}

export async function update(tx: Tx, id: string, change: Partial<Omit<WebhookRow, 'id'>>): Promise<void> {
  await tx.updateTable('webhooks').set(change).where('id', '=', id).execute()
}

/**
 * Hides and disables a webhook; its client_id is free at once. The job CANCEL_PENDING deletes its deliveries, then the
 * row (`remove`).
 */
export async function markDeleting(tx: Tx, id: string): Promise<void> {
  await update(tx, id, { deleting_at: tx.now, updated_at: tx.now, client_id: null, is_enabled: 0 })
}

/** Does the same for all webhooks of an inbox or pod that is being deleted. @returns their ids */
export async function markDeletingOf(
  tx: Tx,
  column: 'inbox_id' | 'pod_id' | 'organization_id',
  id: string,
): Promise<string[]> {
  const rows = await tx
    .updateTable('webhooks')
    .set({ deleting_at: tx.now, updated_at: tx.now, client_id: null, is_enabled: 0 })
    .where(column, '=', id)
    .where('deleting_at', 'is', null)
    .returning('id')
    .execute()
  return rows.map((row) => row.id)
}

/** Reads a webhook, also one that is being deleted, and locks it until the commit. */
export async function lockEvenIfDeleting(tx: Tx, id: string): Promise<WebhookRow | undefined> {
  return tx.forUpdate(tx.selectFrom('webhooks')).selectAll().where('id', '=', id).executeTakeFirst()
}

export async function remove(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('webhooks').where('id', '=', id).execute()
}

function enabled(db: Db) {
  return db.selectFrom('webhooks').where('is_enabled', '=', 1).where('deleting_at', 'is', null)
}
