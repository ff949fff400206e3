/**
 * Leases on work: a claimed row belongs to its owner until a given time, so that another worker can claim the work of a
 * node that died.
 *
 * An owner renews its leases while it works and releases them when it stops. It may write an outcome only while it has
 * the lease: put `lease_owner = owner` into the condition of the update, or call `renewLeases` in the same transaction.
 *
 * Leases have a clock of their own (`LeaseTime`): when the clock of the machine is set forward, nothing that is running
 * may be claimed again.
 *
 * A claim that ended without an outcome is counted in `interruptions`: its process died, hung or failed. An outcome
 * sets it to 0. A worker sets aside a row that reaches limits.jobs.interruptionsMax (docs/adr/0022).
 */
import { type Expression, type Kysely, type RawBuilder, type Selectable, type SqlBool, sql } from 'kysely'
import type { LeaseTime, Tx } from './handles.ts'
import { prepareChange, prepareLock } from './prepared-query.ts'
import type { DraftRow } from './schema/draft-rows.ts'
import type { JobRow } from './schema/job-rows.ts'
import type { Schema } from './schema/schema.ts'
import type { RecipientRow } from './schema/sending-rows.ts'
import type { WebhookDeliveryRow } from './schema/webhook-rows.ts'

export type LeasedTable = 'recipients' | 'jobs' | 'webhook_deliveries' | 'drafts'

/** The `interruptionsBelow` of a claim that takes no interrupted work. */
export const UNINTERRUPTED = 1

export interface ClaimRequest {
  /** Names the worker; unique over nodes and restarts. */
  readonly owner: string
  /** End of the lease (`leaseEnd`). */
  readonly untilMs: LeaseTime
  readonly limit: number
  readonly interrupted: InterruptionBounds
}

/** Which rows with interruptions may be claimed. Of those below `setAsideFrom`, a claim takes only one unit of work. */
export interface InterruptionBounds {
  /** Rows with fewer interruptions may be claimed; UNINTERRUPTED: only those without any. */
  readonly interruptionsBelow: number
  /** Rows with this number of interruptions are set aside without being run, and may always be claimed. */
  readonly setAsideFrom: number
}

interface DueRecipients {
  readonly domain: string
  readonly podId: string
  readonly now: number
  readonly leaseNow: LeaseTime
  readonly restriction: InterruptionBounds | undefined
  /** undefined: of all submissions. */
  readonly submissionIds?: readonly string[]
  readonly limit: number
}

const dueRecipients = prepareLock(
  'skipLocked',
  (db, { domain, podId, now, leaseNow, restriction, submissionIds, limit }: DueRecipients) =>
    db
      .selectFrom('recipients')
      .select(['id', 'submission_id as unit', interruptionsNow.as('interruptions')])
      .where('state', '=', sql.lit('queued')) // a literal: with a parameter, the planner cannot use the partial index
      .where('domain', '=', domain)
      .where('pod_id', '=', podId)
      .where('next_attempt_at', '<=', now)
      .where(isFree(leaseNow))
      .$if(restriction !== undefined, (query) => query.where(isWithin(restriction!)))
      .$if(submissionIds !== undefined, (query) => query.where('submission_id', 'in', submissionIds!))
      .orderBy('next_attempt_at')
      .orderBy('id')
      .limit(limit),
)

const leaseRecipients = prepareChange(
  (tx, { ids, owner, untilMs, now }: { ids: readonly string[]; owner: string; untilMs: LeaseTime; now: number }) =>
    tx
      .updateTable('recipients')
      .set({ delivering_since: now, delivering_to: null, ...leasedBy(owner, untilMs) })
      .where('id', 'in', ids)
      .returningAll(),
)

/**
 * Claims recipients of one domain, in mail of one pod, that are due and under no lease, from the submissions that have been due longest.
 *
 * @param claim  submissions: their maximum number, so that each can be delivered at once; limit: maximum of recipients
 */
export async function claimRecipients(
  tx: Tx,
  claim: ClaimRequest & { readonly domain: string; readonly podId: string; readonly submissions: number },
): Promise<Selectable<RecipientRow>[]> {
  const { domain, podId, submissions, limit, owner, untilMs } = claim
  const due = { domain, podId, now: tx.now, leaseNow: tx.leaseNow, restriction: restrictionOf(claim.interrupted) }
  // Rows, not distinct submissions: we read no more than we claim, however many recipients are queued.
  const first = await dueRecipients(tx, { ...due, limit: submissions })
  const submissionIds = [...new Set(first.map(({ unit }) => unit))]
  // If these are not all that are due, their submissions may have more. A separate statement: PostgreSQL may run a subquery more
  // than once, and would then claim more than the limit.
  const found = first.length < submissions ? first : await dueRecipients(tx, { ...due, submissionIds, limit })
  const ids = idsToClaim(found.slice(0, limit), claim)
  if (ids.length === 0) return []
  const rows = await leaseRecipients(tx, { ids, owner, untilMs, now: tx.now })
  return inDueOrder(rows, ({ next_attempt_at }) => next_attempt_at)
}

/**
 * Claims jobs that are due and under no lease, of the kinds that this worker knows; those due longest come first.
 *
 * @param claim  exceptIds: ids of jobs that are not claimed
 */
export async function claimJobs(
  tx: Tx,
  claim: ClaimRequest & { readonly kinds: readonly string[]; readonly exceptIds?: readonly string[] },
): Promise<Selectable<JobRow>[]> {
  if (claim.kinds.length === 0) return []
  const rows = tx
    .selectFrom('jobs')
    .select(['id', 'id as unit', interruptionsNow.as('interruptions')])
    .where('run_at', '<=', tx.now)
    .where('kind', 'in', claim.kinds)
    .$if(claim.exceptIds !== undefined && claim.exceptIds.length > 0, (query) =>
      query.where('id', 'not in', claim.exceptIds!),
    )
    .where(isClaimable(tx, claim))
    .orderBy('run_at')
    .orderBy('id')
    .limit(claim.limit)
  return lease(tx, 'jobs', await tx.skipLocked(rows).execute(), claim, ({ run_at }) => run_at)
}

/**
 * Claims scheduled drafts of one pod that are due and under no lease; those due longest come first.
 *
 * @param claim now: epoch ms, by the clock of the machine
 */
export async function claimDrafts(
  tx: Tx,
  claim: ClaimRequest & { readonly podId: string; readonly now: number },
): Promise<Selectable<DraftRow>[]> {
  const rows = tx
    .selectFrom('drafts')
    .select(['id', 'id as unit', interruptionsNow.as('interruptions')])
    .where('send_status', '=', sql.lit('scheduled')) // a literal, as above
    .where('pod_id', '=', claim.podId)
    .where('next_attempt_at', '<=', claim.now)
    .where(isClaimable(tx, claim))
    .orderBy('next_attempt_at')
    .orderBy('id')
    .limit(claim.limit)
  const found = await tx.skipLocked(rows).execute()
  return lease(tx, 'drafts', found, claim, ({ next_attempt_at }) => next_attempt_at!)
}

/** Claims deliveries of one webhook that are due and under no lease, and that belong to its current term. */
export async function claimWebhookDeliveries(
  tx: Tx,
  claim: ClaimRequest & { readonly webhookId: string; readonly term: number },
): Promise<Selectable<WebhookDeliveryRow>[]> {
  const rows = tx
    .selectFrom('webhook_deliveries')
    .select(['id', 'id as unit', interruptionsNow.as('interruptions')])
    .where('webhook_id', '=', claim.webhookId)
    .where('state', '=', sql.lit('pending')) // a literal, as above
    .where('next_attempt_at', '<=', tx.now)
    .where('term', '=', claim.term)
    .where(isClaimable(tx, claim))
    .orderBy('next_attempt_at')
    .orderBy('id')
    .limit(claim.limit)
  const found = await tx.skipLocked(rows).execute()
  return lease(tx, 'webhook_deliveries', found, claim, ({ next_attempt_at }) => next_attempt_at)
}

/** The part of a due row that decides whether it is claimed. */
interface DueRow {
  readonly id: string
  /** Rows with the same unit are one piece of work. */
  readonly unit: string
  readonly interruptions: number
}

/** Puts due rows under a lease. @returns them, those due longest first */
async function lease<Table extends LeasedTable>(
  tx: Tx,
  table: Table,
  candidates: readonly DueRow[],
  claim: ClaimRequest,
  dueAt: (row: Selectable<Schema[Table]>) => number,
): Promise<Selectable<Schema[Table]>[]> {
  const ids = idsToClaim(candidates, claim)
  if (ids.length === 0) return []
  const { owner, untilMs } = claim
  const claimed = await asLeased(tx)
    .updateTable(table as LeasedTable)
    .set(leasedBy(owner, untilMs))
    .where('id', 'in', ids)
    .returningAll()
    .execute()
  return inDueOrder(claimed as unknown as (Selectable<Schema[Table]> & { readonly id: string })[], dueAt)
}

/** The columns of a row under a lease. `interruptions` depends on the owner before. */
function leasedBy(owner: string, untilMs: LeaseTime) {
  return { lease_owner: owner, lease_until: untilMs, interruptions: interruptionsNow }
}

function inDueOrder<Row extends { readonly id: string }>(rows: Row[], dueAt: (row: Row) => number): Row[] {
  return rows.sort((a, b) => dueAt(a) - dueAt(b) || (a.id < b.id ? -1 : 1))
}

/**
 * Extends the leases that the owner still has.
 *
 * @returns the ids of these; the other leases are lost: stop working on their rows
 */
export async function renewLeases(
  tx: Tx,
  table: LeasedTable,
  { owner, ids, untilMs }: { owner: string; ids: readonly string[]; untilMs: LeaseTime },
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

/** Ends the owner's leases at once. Rows whose lease it has lost are not changed. */
export async function releaseLeases(
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

/**
 * Ends all leases, and counts their work as interrupted. Only for the start of the only node: the owners of these
 * leases are no longer running.
 */
export async function clearLeases(tx: Tx): Promise<void> {
  await tx
    .updateTable('recipients')
    .set(freedFromDeadOwner)
    .where('state', '=', sql.lit('queued'))
    .where('lease_owner', 'is not', null)
    .execute()
  await tx.updateTable('jobs').set(freedFromDeadOwner).where('lease_owner', 'is not', null).execute()
  await tx
    .updateTable('webhook_deliveries')
    .set(freedFromDeadOwner)
    .where('state', '=', sql.lit('pending'))
    .where('lease_owner', 'is not', null)
    .execute()
  await tx.updateTable('drafts').set(freedFromDeadOwner).where('lease_owner', 'is not', null).execute()
  // An interrupted send has left only its idempotency key, and its client may soon retry with that key.
  await tx.deleteFrom('idempotency_keys').where('state', '=', 'running').execute()
}

/** Whether the work on a row was interrupted and could end the process again. A row that is set aside is not run. */
export function isInterrupted({ interruptions }: { readonly interruptions: number }, setAsideFrom: number): boolean {
  return interruptions > 0 && interruptions < setAsideFrom
}

/** A row that still has an owner was left without an outcome. */
export const interruptionsNow = sql<number>`interruptions + case when lease_owner is null then 0 else 1 end`

/** Whether a due row is under no lease and may be claimed now. */
function isClaimable({ leaseNow }: Pick<Tx, 'leaseNow'>, { interrupted }: ClaimRequest): Expression<SqlBool> {
  return sql<SqlBool>`${isFree(leaseNow)} and ${mayBeClaimed(interrupted)}`
}

/** Whether a row is under no lease, or under one that has expired. */
export function isFree(leaseNow: LeaseTime): Expression<SqlBool> {
  return sql<SqlBool>`(lease_until is null or lease_until <= ${leaseNow})`
}

/** The opposite as a column, 1 or 0, for rows whose lease is looked at later. */
export function isLeased(leaseNow: LeaseTime): RawBuilder<number> {
  return sql<number>`case when lease_until > ${leaseNow} then 1 else 0 end`
}

/** Returns the end of a lease that begins now. */
export function leaseEnd({ leaseNow }: Pick<Tx, 'leaseNow'>, leaseMs: number): LeaseTime {
  return typeof leaseNow === 'number' ? leaseNow + leaseMs : sql<number>`${leaseNow} + ${leaseMs}`
}

/**
 * The condition for claims, and for the queries that decide whether to claim at all: the commit of a claim makes the
 * loops poll again, so a row that must wait must not count as due.
 */
export function mayBeClaimed(bounds: InterruptionBounds): Expression<SqlBool> {
  const restriction = restrictionOf(bounds)
  return restriction ? isWithin(restriction) : sql<SqlBool>`1 = 1`
}

/** @returns undefined when every number of interruptions is within the bounds */
export function restrictionOf(bounds: InterruptionBounds): InterruptionBounds | undefined {
  return bounds.interruptionsBelow >= bounds.setAsideFrom ? undefined : bounds
}

/** The condition of `mayBeClaimed` for a prepared query, which must not look at the numbers (prepared-query.ts). */
export function isWithin({ interruptionsBelow, setAsideFrom }: InterruptionBounds): Expression<SqlBool> {
  return sql<SqlBool>`(${interruptionsNow} < ${interruptionsBelow} or ${interruptionsNow} >= ${setAsideFrom})`
}

/**
 * Omits rows of a second interrupted unit: under a lease, they would be counted again if the first ends the process.
 */
function idsToClaim(rows: readonly DueRow[], { interrupted: { setAsideFrom } }: ClaimRequest): string[] {
  const first = rows.find((row) => isInterrupted(row, setAsideFrom))
  return rows.filter((row) => !isInterrupted(row, setAsideFrom) || row.unit === first?.unit).map(({ id }) => id)
}

const freedFromDeadOwner = { lease_owner: null, lease_until: null, interruptions: sql<number>`interruptions + 1` }

/** The columns that all leased tables have, because Kysely cannot type a choice of tables. */
interface Leased {
  id: string
  lease_owner: string | null
  lease_until: number | null
  interruptions: number
}
function asLeased(tx: Tx): Pick<Kysely<Record<LeasedTable, Leased>>, 'updateTable'> {
  return tx as unknown as Kysely<Record<LeasedTable, Leased>>
}
