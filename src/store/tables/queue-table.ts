/**
 * Queries for the queue as users list and change it: queued and held recipients in a scope. Rows only: mail/sending
 * decides.
 * The queries by which the worker finds due recipients are in `submissions-table.ts` and `leases.ts`.
 */
import { type Expression, type SqlBool, sql } from 'kysely'
import type { Db, LeaseTime, Tx } from '../handles.ts'
import { isFree, isLeased } from '../leases.ts'
import type { RecipientRow, SubmissionRow } from '../schema/sending-rows.ts'
import { conjunction } from './conditions.ts'
import { type Keyset, onePage } from './keyset.ts'

/** All given conditions must be true. */
export interface OpenCriteria {
  readonly organizationId: string
  readonly podId?: string | undefined
  readonly inboxId?: string | undefined
  /** The row's id, not the api_message_id. */
  readonly messageId?: string | undefined
  readonly states: readonly ('queued' | 'held')[]
  readonly domain?: string | undefined
  readonly ids?: readonly string[] | undefined
  readonly addresses?: readonly string[] | undefined
  /** Bits of the hidden classes that the actor may not see. */
  readonly hiddenMask: number
}

export type OpenRow = RecipientRow & Pick<SubmissionRow, 'kind'> & { readonly is_leased: number }

export async function listOpen(
  db: Db,
  criteria: OpenCriteria,
  keyset: Keyset,
  leaseNow: LeaseTime,
): Promise<OpenRow[]> {
  const rows = await db
    .selectFrom('recipients')
    .selectAll()
    .select(isLeased(leaseNow).as('is_leased'))
    .where(conjunction(conditions(criteria)))
    .$call((query) => onePage(query, 'created_at', keyset))
    .execute()
  const ids = [...new Set(rows.map((row) => row.submission_id))]
  const kinds =
    ids.length === 0 ? [] : await db.selectFrom('submissions').select(['id', 'kind']).where('id', 'in', ids).execute()
  const kindOf = new Map(kinds.map(({ id, kind }) => [id, kind]))
  return rows.flatMap((row) => {
    const kind = kindOf.get(row.submission_id) // it may have been removed between the two queries
    return kind === undefined ? [] : [{ ...row, kind }]
  })
}

/** Lists the oldest recipients that no worker has leased. @param dueAfter only those that are due after this time */
export async function listFree(
  tx: Tx,
  criteria: OpenCriteria,
  { limit, dueAfter }: { limit: number; dueAfter?: number | undefined },
): Promise<string[]> {
  const rows = await tx
    .selectFrom('recipients')
    .select('id')
    .where(conjunction(conditions(criteria)))
    .where(isFree(tx.leaseNow))
    .$if(dueAfter !== undefined, (query) => query.where('next_attempt_at', '>', dueAfter!))
    .orderBy('created_at')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}

/** Counts the recipients under a lease that has not expired. */
export async function countBusy(tx: Tx, criteria: OpenCriteria): Promise<number> {
  const { count } = await tx
    .selectFrom('recipients')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where(conjunction(conditions(criteria)))
    .where('lease_until', '>', tx.leaseNow)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Lists the inboxes that sent to these recipients, without duplicates. */
export async function inboxIdsOf(tx: Tx, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await tx.selectFrom('recipients').select('inbox_id').distinct().where('id', 'in', ids).execute()
  return rows.flatMap(({ inbox_id }) => inbox_id ?? [])
}

export type OpenChange = Partial<
  Pick<
    RecipientRow,
    | 'state'
    | 'route'
    | 'attempts'
    | 'next_attempt_at'
    | 'released_at'
    | 'delay_notice_at'
    | 'last_code'
    | 'last_enhanced_code'
    | 'last_reply'
  >
>

/**
 * Changes the given recipients that are still in one of the states and not under a running lease. An expired lease is
 * removed, so that a late outcome of its owner is not recorded.
 *
 * @returns the changed rows
 */
export async function change(
  tx: Tx,
  ids: readonly string[],
  states: readonly ('queued' | 'held')[],
  change: OpenChange,
): Promise<RecipientRow[]> {
  if (ids.length === 0) return []
  return tx
    .updateTable('recipients')
    .set({ ...change, lease_owner: null, lease_until: null, interruptions: 0, updated_at: tx.now })
    .where('id', 'in', ids)
    .where('state', 'in', states)
    .where(isFree(tx.leaseNow))
    .returningAll()
    .execute()
}

/** Makes queued recipients due that are waiting for an inbox of this server, with any tag in their address. */
export async function makeDue(tx: Tx, { localPart, domain }: { localPart: string; domain: string }): Promise<void> {
  const tagged = `${localPart.replace(/[\\%_]/g, '\\$&')}+%@${domain}`
  await tx
    .updateTable('recipients')
    .set({ next_attempt_at: tx.now })
    .where('state', '=', sql.lit('queued')) // a literal: with a parameter, the planner cannot use the partial index
    .where('domain', '=', domain)
    .where('next_attempt_at', '>', tx.now)
    .where(sql<boolean>`(address = ${`${localPart}@${domain}`} or address like ${tagged} escape '\\')`)
    .execute()
}

function conditions(criteria: OpenCriteria): Expression<SqlBool>[] {
  const { organizationId, podId, inboxId, messageId, states, domain, ids, addresses, hiddenMask } = criteria
  // Literals: with a parameter, or with one state alone, the planner cannot use the partial indexes.
  const all: Expression<SqlBool>[] = [sql<SqlBool>`state in ('queued', 'held')`]
  if (states.length === 1) all.push(sql<SqlBool>`state = ${states[0]}`)
  // An inbox belongs to one organization; if both were given, the planner might choose the index of the organization.
  if (inboxId !== undefined) all.push(sql<SqlBool>`inbox_id = ${inboxId}`)
  else all.push(sql<SqlBool>`organization_id = ${organizationId}`)
  if (podId !== undefined && inboxId === undefined) {
    all.push(sql<SqlBool>`inbox_id in (select inboxes.id from inboxes where inboxes.pod_id = ${podId})`)
  }
  if (messageId !== undefined) all.push(sql<SqlBool>`message_id = ${messageId}`)
  if (domain !== undefined) all.push(sql<SqlBool>`domain = ${domain}`)
  if (ids !== undefined) all.push(isOneOf('id', ids))
  if (addresses !== undefined) all.push(isOneOf('address', addresses))
  if (hiddenMask !== 0) {
    all.push(sql<SqlBool>`not exists (
      select 1 from messages where messages.id = recipients.message_id and (messages.hidden & ${hiddenMask}) <> 0
    )`)
  }
  return all
}

function isOneOf(column: string, values: readonly string[]): Expression<SqlBool> {
  return values.length === 0 ? sql<SqlBool>`1 = 0` : sql<SqlBool>`${sql.ref(column)} in (${sql.join(values)})`
}
