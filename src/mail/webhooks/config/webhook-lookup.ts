/** Finds a webhook in the scope of a call, in order to read or change it. */
import { MailError } from '../../../errors.ts'
import type { Db, Tx } from '../../../store/handles.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { requireScope, type Scope } from '../../access/access.ts'
import type { Actor, KeyActor, Within } from '../../access/actor.ts'
import type { Permission } from '../../access/permissions.ts'

/** How a call names a webhook. */
export interface WebhookReference {
  readonly within: Within
  /** Id of a webhook anywhere in the scope of the call, or a client_id of exactly that scope. */
  readonly ref: string
  /** Name of the profile: the calls of a dialect find only its own webhooks. */
  readonly profile: string
}

/** @throws not_found */
export async function requireWebhook(
  db: Db,
  actor: Actor,
  permission: Permission,
  { within, ref, profile }: WebhookReference,
): Promise<{ row: WebhookRow; scope: Scope }> {
  const scope = await requireScope(db, actor, permission, within)
  const byId = await webhooks.getById(db, ref)
  const isFound = byId?.profile === profile && isInScope(byId, scope)
  const row = requireRow(isFound ? byId : await webhooks.getByClientId(db, scope, profile, ref))
  return { row, scope: scopeOf(row) }
}

/** Like requireWebhook, for a change: locks the row, so no other node changes it until the commit. */
export async function lockWebhook(
  tx: Tx,
  actor: Actor,
  permission: Permission,
  reference: WebhookReference,
): Promise<{ row: WebhookRow; scope: Scope }> {
  const { row, scope } = await requireWebhook(tx, actor, permission, reference)
  return { row: requireRow(await webhooks.lockById(tx, row.id)), scope }
}

function requireRow(row: WebhookRow | undefined): WebhookRow {
  if (!row) throw new MailError('not_found', { what: 'Webhook' })
  return row
}

function scopeOf(row: WebhookRow): Scope {
  return {
    organizationId: row.organization_id,
    ...(row.pod_id !== null && { podId: row.pod_id }),
    ...(row.inbox_id !== null && { inboxId: row.inbox_id }),
  }
}

function isInScope(row: WebhookRow, scope: Scope): boolean {
  return (
    row.organization_id === scope.organizationId &&
    (scope.podId === undefined || row.pod_id === scope.podId) &&
    (scope.inboxId === undefined || row.inbox_id === scope.inboxId)
  )
}

/** Narrows the key to the webhook's scope: with any key, a webhook of a pod can list only inboxes of that pod. */
export function narrowed(key: KeyActor, scope: Scope): KeyActor {
  return {
    ...key,
    ...(scope.podId !== undefined && { podId: scope.podId }),
    ...(scope.inboxId !== undefined && { inboxId: scope.inboxId }),
  }
}
