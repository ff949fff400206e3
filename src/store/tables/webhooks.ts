/** Webhooks. Rows only: what one may see is decided in mail/webhooks. One that is being deleted is not there. */
import type { Db, Tx, WebhookRow } from '../schema.ts'
import { beyond, direction, type Keyset } from './keyset.ts'

/** What a webhook belongs to; a narrower place lies in the wider ones. */
export interface WebhookScope {
  readonly organizationId: string
  readonly podId?: string | undefined
  readonly inboxId?: string | undefined
}

export async function getById(db: Db, id: string): Promise<WebhookRow | undefined> {
  return db.selectFrom('webhooks').selectAll().where('id', '=', id).where('deleting_at', 'is', null).executeTakeFirst()
}

/** The same, kept until the commit: for whoever writes because of what it reads in it. */
export async function holdById(tx: Tx, id: string): Promise<WebhookRow | undefined> {
  return tx
    .forUpdate(tx.selectFrom('webhooks'))
    .selectAll()
    .where('id', '=', id)
    .where('deleting_at', 'is', null)
    .executeTakeFirst()
}

/** Some of them, in one order, or two nodes could wait for each other. */
export async function holdByIds(tx: Tx, ids: readonly string[]): Promise<WebhookRow[]> {
  if (ids.length === 0) return []
  return tx
    .forUpdate(tx.selectFrom('webhooks'))
    .selectAll()
    .where('id', 'in', ids)
    .where('deleting_at', 'is', null)
    .orderBy('id')
    .execute()
}

/** Of exactly this scope: the organization, each pod and each inbox have client_ids of their own. */
export async function getByClientId(db: Db, scope: WebhookScope, clientId: string): Promise<WebhookRow | undefined> {
  return db
    .selectFrom('webhooks')
    .selectAll()
    .where((eb) => eb.fn.coalesce('inbox_id', 'pod_id', 'organization_id'), '=', narrowest(scope))
    .where('client_id', '=', clientId)
    .where('deleting_at', 'is', null)
    .executeTakeFirst()
}

function narrowest({ organizationId, podId, inboxId }: WebhookScope): string {
  return inboxId ?? podId ?? organizationId
}

export async function list(db: Db, scope: WebhookScope, keyset: Keyset): Promise<WebhookRow[]> {
  return db
    .selectFrom('webhooks')
    .selectAll()
    .where('organization_id', '=', scope.organizationId)
    .$if(scope.podId !== undefined, (query) => query.where('pod_id', '=', scope.podId!))
    .$if(scope.inboxId !== undefined, (query) => query.where('inbox_id', '=', scope.inboxId!))
    .where('deleting_at', 'is', null)
    .where(beyond('created_at', keyset))
    .orderBy('created_at', direction(keyset))
    .orderBy('id', direction(keyset))
    .limit(keyset.limit)
    .execute()
}

/** Whether the organization has as many as that. */
export async function hasAsMany(db: Db, organizationId: string, count: number): Promise<boolean> {
  const rows = await db
    .selectFrom('webhooks')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('deleting_at', 'is', null)
    .limit(count)
    .execute()
  return rows.length >= count
}

/** The event after which the first of the enabled ones is told; undefined when none is enabled. */
export async function earliestCursor(db: Db): Promise<number | undefined> {
  const row = await enabled(db)
    .select((eb) => eb.fn.min('cursor_seq').as('cursor_seq'))
    .executeTakeFirstOrThrow()
  return (row.cursor_seq as number | null) ?? undefined
}

/** Those that may be told of events of these organizations. */
export async function listEnabled(db: Db, organizationIds: readonly string[]): Promise<WebhookRow[]> {
  if (organizationIds.length === 0) return []
  return enabled(db).selectAll().where('organization_id', 'in', organizationIds).execute()
}

/** Those of them that are still enabled, as they are now. */
export async function listEnabledByIds(db: Db, ids: readonly string[]): Promise<WebhookRow[]> {
  if (ids.length === 0) return []
  return enabled(db).selectAll().where('id', 'in', ids).execute()
}

export async function insert(tx: Tx, row: WebhookRow): Promise<void> {
  await tx.insertInto('webhooks').values(row).execute()
}

export async function update(tx: Tx, id: string, change: Partial<Omit<WebhookRow, 'id'>>): Promise<void> {
  await tx.updateTable('webhooks').set(change).where('id', '=', id).execute()
}

/** Hides and silences one; its client_id is free at once. What it has in the queue goes later (`remove`). */
export async function mark(tx: Tx, id: string): Promise<void> {
  await update(tx, id, { deleting_at: tx.now, updated_at: tx.now, client_id: null, is_enabled: 0 })
}

/** The same for all that belong to an inbox, or to a pod, that goes away; returns their ids. */
export async function markBelongingTo(tx: Tx, column: 'inbox_id' | 'pod_id', id: string): Promise<string[]> {
  const rows = await tx
    .updateTable('webhooks')
    .set({ deleting_at: tx.now, updated_at: tx.now, client_id: null, is_enabled: 0 })
    .where(column, '=', id)
    .where('deleting_at', 'is', null)
    .returning('id')
    .execute()
  return rows.map((row) => row.id)
}

/** Also one that is being deleted; kept until the commit. */
export async function holdAny(tx: Tx, id: string): Promise<WebhookRow | undefined> {
  return tx.forUpdate(tx.selectFrom('webhooks')).selectAll().where('id', '=', id).executeTakeFirst()
}

export async function remove(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('webhooks').where('id', '=', id).execute()
}

function enabled(db: Db) {
  return db.selectFrom('webhooks').where('is_enabled', '=', 1).where('deleting_at', 'is', null)
}
