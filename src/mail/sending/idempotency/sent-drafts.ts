/**
 * Remembers the client_id of a draft that was sent, as long as an Idempotency-Key: the draft is gone, and a program that
 * repeats its calls would otherwise create and send the same message again. The rows are those of idempotency keys, under a
 * name that no client can choose.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Db, Tx } from '../../../store/handles.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import * as idempotency from '../../../store/tables/idempotency-table.ts'
import type { Sent } from '../compose/outgoing.ts'

/** Records the message of a draft, in the transaction that sends it. The caller has locked the inbox. */
export async function recordSentDraft(
  tx: Tx,
  inbox: Pick<InboxRow, 'id' | 'organization_id'>,
  clientId: string | null,
  sent: Sent,
): Promise<void> {
  if (clientId === null) return
  const row = {
    inbox_id: inbox.id,
    key: keyOf(clientId),
    scope_id: inbox.organization_id,
    fingerprint: '',
    state: 'done' as const,
    lease_until: null,
    result: JSON.stringify(sent),
    created_at: tx.now,
    completed_at: tx.now,
  }
  await idempotency.putDone(tx, row)
}

/** Returns the message that a draft with this client_id became; undefined if none was sent, or too long ago. */
export async function findSentDraft(
  db: Db,
  { inboxId, clientId, now }: { readonly inboxId: string; readonly clientId: string; readonly now: number },
  { sending }: Pick<Limits, 'sending'>,
): Promise<Sent | undefined> {
  const row = await idempotency.get(db, inboxId, keyOf(clientId))
  if (!row || (row.completed_at ?? 0) + sending.idempotencyMs <= now) return undefined
  return JSON.parse(row.result!) as Sent
}

/** An Idempotency-Key and a client_id contain no space. */
function keyOf(clientId: string): string {
  return `draft ${clientId}`
}
