/** Queries for submissions, their recipients, and each delivery attempt. Rows only: mail/sending decides. */
import { sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { type InterruptedClaim, mayBeClaimed } from '../leases.ts'
import type { DeliveryRow, RecipientRow, SubmissionRow } from '../schema/sending-rows.ts'

export async function insert(tx: Tx, submission: SubmissionRow, recipients: readonly RecipientRow[]): Promise<void> {
  await tx.insertInto('submissions').values(submission).execute()
  await tx
    .insertInto('recipients')
    .values([...recipients])
    .execute()
}

export async function listByIds(db: Db, ids: readonly string[]): Promise<SubmissionRow[]> {
  if (ids.length === 0) return []
  return db.selectFrom('submissions').selectAll().where('id', 'in', ids).execute()
}

export async function listRecipients(db: Db, messageId: string): Promise<RecipientRow[]> {
  return db
    .selectFrom('recipients')
    .selectAll()
    .where('message_id', '=', messageId)
    .orderBy('created_at')
    .orderBy('position')
    .execute()
}

/** Returns when the next recipient without a running lease is due; undefined if there is none. */
export async function nextDue(db: Db, nowMs: number, interrupted: InterruptedClaim): Promise<number | undefined> {
  const row = await db
    .selectFrom('recipients')
    .select('next_attempt_at')
    .where('state', '=', sql.lit('queued')) // a literal: with a parameter, the planner cannot use the partial index
    .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<=', nowMs)]))
    .where(mayBeClaimed(interrupted))
    .orderBy('next_attempt_at')
    .limit(1)
    .executeTakeFirst()
  return row?.next_attempt_at
}

/**
 * Lists the domains that have queued recipients, in order, and whether one of these is due and under no lease. It seeks
 * from domain to domain in the index instead of reading all rows, so that a backlog costs no more than one recipient.
 */
export async function listDueDomains(
  db: Db,
  { after, limit, now, interrupted }: { after: string; limit: number; now: number; interrupted: InterruptedClaim },
): Promise<{ domain: string; isDue: boolean }[]> {
  const domains = sql<{ domain: string; is_due: number }>`(
    with recursive domains (domain, position) as (
      select domain, 1 from (
        select domain from recipients where state = 'queued' and domain > ${after} order by domain limit 1
      ) as first
      union all
      select (
        select domain from recipients where state = 'queued' and domain > domains.domain order by domain limit 1
      ), position + 1
      from domains where domains.domain is not null and position < ${limit}
    )
    select domain, case when exists (
      select 1 from recipients where state = 'queued' and domain = domains.domain and next_attempt_at <= ${now}
        and (lease_until is null or lease_until <= ${now}) and ${mayBeClaimed(interrupted)}
    ) then 1 else 0 end as is_due
    from domains where domain is not null
  )`
  const rows = await db.selectFrom(domains.as('domains')).select(['domain', 'is_due']).orderBy('domain').execute()
  return rows.map(({ domain, is_due }) => ({ domain, isDue: is_due === 1 }))
}

/**
 * Writes a recipient's outcome and ends its lease, if the owner still has the lease.
 *
 * @returns false if the owner has lost the lease: another worker may have claimed the recipient
 */
export async function recordOutcome(
  tx: Tx,
  id: string,
  owner: string,
  change: Pick<
    RecipientRow,
    'state' | 'attempts' | 'next_attempt_at' | 'delay_notice_at' | 'last_code' | 'last_enhanced_code' | 'last_reply'
  >,
): Promise<boolean> {
  const changed = await tx
    .updateTable('recipients')
    .set({ ...change, lease_owner: null, lease_until: null, interruptions: 0, updated_at: tx.now })
    .where('id', '=', id)
    .where('lease_owner', '=', owner)
    .where('state', '=', 'queued')
    .returning('id')
    .executeTakeFirst()
  return changed !== undefined
}

/** Appends to the history of each recipient. */
export async function insertDeliveries(tx: Tx, rows: readonly Omit<DeliveryRow, 'attempt'>[]): Promise<void> {
  if (rows.length === 0) return
  await tx
    .insertInto('deliveries')
    .values((eb) =>
      rows.map((row) => ({
        ...row,
        attempt: eb
          .selectFrom('deliveries as known')
          .select(sql<number>`coalesce(max(known.attempt), 0) + 1`.as('attempt'))
          .where('known.recipient_id', '=', row.recipient_id),
      })),
    )
    .execute()
}

export async function listDeliveries(db: Db, recipientIds: readonly string[]): Promise<DeliveryRow[]> {
  if (recipientIds.length === 0) return []
  return db
    .selectFrom('deliveries')
    .selectAll()
    .where('recipient_id', 'in', recipientIds)
    .orderBy('recipient_id')
    .orderBy('attempt')
    .execute()
}

/**
 * Deletes the given submissions that have no queued recipient, with their recipients and history. The caller passes
 * only submissions without a message: it was deleted, or never existed. Deleting a message does not remove queued
 * recipients from the queue, but held ones are deleted with it.
 *
 * @param by  whether the ids belong to submissions or to their messages
 * @returns ids of contents that may be unused now
 */
export async function removeFinished(tx: Tx, by: 'id' | 'message_id', ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await tx
    .deleteFrom('submissions')
    .where(by, 'in', ids)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('recipients')
            .select('recipients.id')
            .whereRef('recipients.submission_id', '=', 'submissions.id')
            .where('recipients.state', '=', 'queued'),
        ),
      ),
    )
    .returning('content_id')
    .execute()
  return rows.map((row) => row.content_id)
}

/** Whether delivery to a recipient of the message has failed temporarily and will be retried. */
export async function isAnyDelayed(db: Db, messageId: string): Promise<boolean> {
  const row = await db
    .selectFrom('recipients')
    .select('id')
    .where('message_id', '=', messageId)
    .where('state', '=', 'queued')
    .where('attempts', '>', 0)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
