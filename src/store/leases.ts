/**
 * Claims on work: a row belongs to its owner until a time, so that the work of a node that died comes back by itself.
 *
 * An owner renews while it works and gives back when it stops. Whoever writes an outcome must still hold the row: put
 * `lease_owner = owner` into the update's condition, or ask `renewLeases` in the same transaction.
 */
import { type Kysely, type Selectable, sql } from 'kysely'
import type { Dialect } from './dialect.ts'
import type { JobRow, RecipientRow, Tx, WebhookDeliveryRow } from './schema.ts'

export type LeasedTable = 'recipients' | 'jobs' | 'webhook_deliveries'

export interface Claim {
  /** Names the worker; unique over nodes and restarts. */
  readonly owner: string
  /** End of the lease, epoch ms. */
  readonly untilMs: number
  readonly limit: number
}

/**
 * Due and free recipients of one domain, of those submissions that are due longest; they are the owner's from now on.
 *
 * @param claim  submissions: as many at most, so that each can be handed over at once; limit: as many recipients
 */
export async function claimLane(
  tx: Tx,
  dialect: Pick<Dialect, 'skipLocked'>,
  claim: Claim & { readonly domain: string; readonly submissions: number },
): Promise<Selectable<RecipientRow>[]> {
  const due = () =>
    tx
      .selectFrom('recipients')
      .where('state', '=', sql.lit('queued')) // a literal: a parameter would not show that the partial index serves
      .where('domain', '=', claim.domain)
      .where('next_attempt_at', '<=', tx.now)
      .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<=', tx.now)]))
      .orderBy('next_attempt_at')
      .orderBy('id')
  // Rows rather than distinct submissions: what is read stays as small as what is claimed, however long the lane.
  const first = await dialect.skipLocked(due().select('submission_id').limit(claim.submissions)).execute()
  if (first.length === 0) return []
  const submissions = [...new Set(first.map((row) => row.submission_id))]
  const rows = due().select('id').where('submission_id', 'in', submissions).limit(claim.limit)
  // A statement of its own: PostgreSQL may run a subquery more than once, and then claims more than was asked for.
  const ids = (await dialect.skipLocked(rows).execute()).map((row) => row.id)
  if (ids.length === 0) return []
  const claimed = await tx
    .updateTable('recipients')
    .set({ lease_owner: claim.owner, lease_until: claim.untilMs })
    .where('id', 'in', ids)
    .returningAll()
    .execute()
  return claimed.sort((a, b) => a.next_attempt_at - b.next_attempt_at || (a.id < b.id ? -1 : 1))
}

/** Jobs that are due and free, of the kinds that this worker knows, the longest due first; they are the owner's from now on. */
export async function claimJobs(
  tx: Tx,
  dialect: Pick<Dialect, 'skipLocked'>,
  claim: Claim & { readonly kinds: readonly string[] },
): Promise<Selectable<JobRow>[]> {
  if (claim.kinds.length === 0) return []
  const due = tx
    .selectFrom('jobs')
    .select('id')
    .where('run_at', '<=', tx.now)
    .where('kind', 'in', claim.kinds)
    .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<=', tx.now)]))
    .orderBy('run_at')
    .orderBy('id')
    .limit(claim.limit)
  const ids = (await dialect.skipLocked(due).execute()).map((row) => row.id)
  if (ids.length === 0) return []
  const claimed = await tx
    .updateTable('jobs')
    .set({ lease_owner: claim.owner, lease_until: claim.untilMs })
    .where('id', 'in', ids)
    .returningAll()
    .execute()
  return claimed.sort((a, b) => a.run_at - b.run_at || (a.id < b.id ? -1 : 1))
}

/** The same for deliveries to one webhook, of the term that it is in. */
export async function claimWebhookDeliveries(
  tx: Tx,
  dialect: Pick<Dialect, 'skipLocked'>,
  claim: Claim & { readonly webhookId: string; readonly term: number },
): Promise<Selectable<WebhookDeliveryRow>[]> {
  const due = tx
    .selectFrom('webhook_deliveries')
    .select('id')
    .where('webhook_id', '=', claim.webhookId)
    .where('state', '=', sql.lit('pending')) // a literal, as above
    .where('next_attempt_at', '<=', tx.now)
    .where('term', '=', claim.term)
    .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<=', tx.now)]))
    .orderBy('next_attempt_at')
    .orderBy('id')
    .limit(claim.limit)
  const ids = (await dialect.skipLocked(due).execute()).map((row) => row.id)
  if (ids.length === 0) return []
  const claimed = await tx
    .updateTable('webhook_deliveries')
    .set({ lease_owner: claim.owner, lease_until: claim.untilMs })
    .where('id', 'in', ids)
    .returningAll()
    .execute()
  return claimed.sort((a, b) => a.next_attempt_at - b.next_attempt_at || (a.id < b.id ? -1 : 1))
}

/** Moves the end of the leases that the owner still has. @returns their ids; the others were lost: stop working on them */
export async function renewLeases(
  tx: Tx,
  table: LeasedTable,
  { owner, ids, untilMs }: { owner: string; ids: readonly string[]; untilMs: number },
): Promise<string[]> {
  if (ids.length === 0) return []
  const renewed = await asLeased(tx)
    .updateTable(table)
    .set({ lease_until: untilMs })
    .where('lease_owner', '=', owner)
    .where('id', 'in', ids)
    .returning('id')
    .execute()
  return renewed.map(({ id }) => id)
}

/** Frees rows of the owner at once; those it has lost meanwhile stay as they are. */
export async function giveBackLeases(
  tx: Tx,
  table: LeasedTable,
  { owner, ids }: { owner: string; ids: readonly string[] },
): Promise<void> {
  if (ids.length === 0) return
  await asLeased(tx)
    .updateTable(table)
    .set({ lease_owner: null, lease_until: null })
    .where('lease_owner', '=', owner)
    .where('id', 'in', ids)
    .execute()
}

/** Frees everything. Only for a node that is alone, when it starts: who held them is dead. */
export async function clearLeases(tx: Tx): Promise<void> {
  await tx
    .updateTable('recipients')
    .set({ lease_owner: null, lease_until: null })
    .where('state', '=', sql.lit('queued'))
    .where('lease_owner', 'is not', null)
    .execute()
  await tx
    .updateTable('jobs')
    .set({ lease_owner: null, lease_until: null })
    .where('lease_owner', 'is not', null)
    .execute()
  await tx
    .updateTable('webhook_deliveries')
    .set({ lease_owner: null, lease_until: null })
    .where('state', '=', sql.lit('pending'))
    .where('lease_owner', 'is not', null)
    .execute()
  // A send that was cut off has left nothing but its key, which its client is about to use again.
  await tx.deleteFrom('idempotency_keys').where('state', '=', 'running').execute()
}

/** The columns that all of them have; Kysely cannot type a choice of tables. */
interface Leased {
  id: string
  lease_owner: string | null
  lease_until: number | null
}
function asLeased(tx: Tx): Pick<Kysely<Record<LeasedTable, Leased>>, 'updateTable'> {
  return tx as unknown as Kysely<Record<LeasedTable, Leased>>
}
