/** Queries for submissions, their recipients, and each delivery attempt. Rows only: mail/sending decides. */
import { type SqlBool, sql } from 'kysely'
import type { Db, LeaseTime, Tx } from '../handles.ts'
import { type InterruptionBounds, isFree, isLeased, isWithin, restrictionOf } from '../leases.ts'
import { prepareQuery } from '../prepared-query.ts'
import { insertRows, rowStep, selectRows, updateRows } from '../row-statements.ts'
import type { RecipientHistoryRow, RecipientRow, SubmissionRow } from '../schema/sending-rows.ts'
import { type StoredMessageRow, withMessageId } from './messages-table.ts'

const insertSubmissions = insertRows('submissions', {
  ...{ id: 'text', organization_id: 'text', inbox_id: 'text', message_id: 'text', content_id: 'text', kind: 'text' },
  ...{ envelope_sender: 'text', dkim_selector: 'text', smtputf8: 'integer', created_at: 'bigint' },
})

const insertRecipients = insertRows('recipients', {
  ...{ id: 'text', submission_id: 'text', message_id: 'text', position: 'integer', address: 'text', domain: 'text' },
  ...{ organization_id: 'text', pod_id: 'text', inbox_id: 'text', state: 'text', route: 'text' },
  ...{ delay_notice_at: 'bigint', released_at: 'bigint', attempts: 'integer', next_attempt_at: 'bigint' },
  ...{ lease_owner: 'text', lease_until: 'bigint', delivering_since: 'bigint', delivering_to: 'text' },
  ...{ interruptions: 'integer', last_code: 'integer', last_enhanced_code: 'text', last_reply: 'text' },
  ...{ created_at: 'bigint', updated_at: 'bigint' },
})

export async function insert(
  tx: Tx,
  submissions: readonly SubmissionRow[],
  recipients: readonly RecipientRow[],
): Promise<void> {
  await tx.runRows([rowStep(insertSubmissions, submissions), rowStep(insertRecipients, recipients)])
}

const byIds = prepareQuery((db, { ids }: { ids: readonly string[] }) =>
  db.selectFrom('submissions').selectAll().where('id', 'in', ids),
)

export async function listByIds(db: Db, ids: readonly string[]): Promise<SubmissionRow[]> {
  return ids.length === 0 ? [] : byIds(db, { ids })
}

export async function listRecipients(
  db: Db,
  messageId: string,
  leaseNow: LeaseTime,
): Promise<(RecipientRow & { readonly is_leased: number })[]> {
  return db
    .selectFrom('recipients')
    .selectAll()
    .select(isLeased(leaseNow).as('is_leased'))
    .where('message_id', '=', messageId)
    .orderBy('created_at')
    .orderBy('position')
    .execute()
}

/** Returns a message that the inbox has sent, by the hash of its Message-ID: a received message has an envelope. */
export async function findSentMessage(db: Db, inboxId: string, hash: string): Promise<StoredMessageRow | undefined> {
  return db
    .selectFrom(withMessageId(inboxId, hash))
    .selectAll()
    .where('header_message_id_hash', '=', hash)
    .where('envelope_sender', 'is', null)
    .limit(1)
    .executeTakeFirst()
}

/** Lists the addresses to which a message was sent, each once. */
export async function listAddresses(db: Db, messageId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('recipients')
    .select('address')
    .distinct()
    .where('message_id', '=', messageId)
    .orderBy('address')
    .execute()
  return rows.map(({ address }) => address)
}

/** Returns when the next recipient without a running lease is due; undefined if there is none. */
export async function nextDue(
  db: Db,
  leaseNow: LeaseTime,
  interrupted: InterruptionBounds,
): Promise<number | undefined> {
  const [row] = await next(db, { leaseNow, restriction: restrictionOf(interrupted) })
  return row?.next_attempt_at
}

/** Runs after every commit. */
const next = prepareQuery(
  (db, { leaseNow, restriction }: { leaseNow: LeaseTime; restriction: InterruptionBounds | undefined }) =>
    db
      .selectFrom('recipients')
      .select('next_attempt_at')
      .where('state', '=', sql.lit('queued')) // a literal: with a parameter, the planner cannot use the partial index
      .where(isFree(leaseNow))
      .$if(restriction !== undefined, (query) => query.where(isWithin(restriction!)))
      .orderBy('next_attempt_at')
      .limit(1),
)

/** The queued mail of one pod to one domain. */
export interface Flow {
  readonly domain: string
  readonly podId: string
  readonly organizationId: string
  /** Whether a recipient is due and under no lease. */
  readonly isDue: boolean
}

/** A position in the list of flows. */
export type FlowPosition = Pick<Flow, 'domain' | 'podId'>

interface FlowPage {
  readonly after: FlowPosition
  readonly limit: number
  readonly now: number
  readonly leaseNow: LeaseTime
}

/** Lists the flows that have queued recipients, by domain and pod. */
export async function listFlows(
  db: Db,
  { interrupted, ...page }: FlowPage & { readonly interrupted: InterruptionBounds },
): Promise<Flow[]> {
  const rows = await flows(db, { ...page, restriction: restrictionOf(interrupted) })
  return rows.map(({ domain, pod_id, organization_id, is_due }) => ({
    domain,
    podId: pod_id,
    organizationId: organization_id,
    isDue: is_due === 1,
  }))
}

/**
 * It seeks from flow to flow in the index instead of reading all rows, so that a backlog costs no more than one recipient. SQLite
 * would seek by domain alone, and read the whole backlog of a flow, if a row were compared with columns instead of expressions:
 * hence `|| ''`. PostgreSQL would read all due recipients into a hash table for `exists`: hence `limit 1`.
 */
const flows = prepareQuery(
  (db, { after, limit, now, leaseNow, restriction }: FlowPage & { restriction: InterruptionBounds | undefined }) => {
    const isAllowed = restriction ? isWithin(restriction) : sql<SqlBool>`1 = 1`
    const found = sql<{ domain: string; pod_id: string; organization_id: string; is_due: number }>`(
      with recursive flows (domain, pod_id, organization_id, position) as (
        select domain, pod_id, organization_id, 1 from (
          select domain, pod_id, organization_id from recipients
          where state = 'queued' and (domain, pod_id) > (${after.domain}, ${after.podId})
          order by domain, pod_id limit 1
        ) as first
        union all
        select next.domain, next.pod_id, next.organization_id, flows.position + 1
        from flows join recipients as next on next.id = (
          select later.id from recipients as later
          where later.state = 'queued' and (later.domain, later.pod_id) > (flows.domain || '', flows.pod_id || '')
          order by later.domain, later.pod_id limit 1
        )
        where flows.position < ${limit}
      )
      select domain, pod_id, organization_id, case when (
        select 1 from recipients where state = 'queued' and domain = flows.domain and pod_id = flows.pod_id
          and next_attempt_at <= ${now} and ${isFree(leaseNow)} and ${isAllowed} limit 1
      ) is null then 0 else 1 end as is_due
      from flows
    )`
    return db.selectFrom(found.as('flows')).selectAll().orderBy('domain').orderBy('pod_id')
  },
)

/** A recipient and the owner of its lease. */
interface Leased {
  readonly id: string
  readonly owner: string
}

const leased = `select recipients.id, recipients.lease_owner as owner, (
      select coalesce(max(known.position), 0) from recipient_history as known where known.recipient_id = recipients.id
    ) as history
    from recipients where recipients.id = :id and recipients.lease_owner = :owner and recipients.state = 'queued'`
const recipientLock = { of: 'recipients', orderBy: 'recipients.id' } as const
type LeasedRow = Leased & { readonly history: number }

/**
 * Returns those of the recipients that are queued under a lease of their owner, and locks them: another worker may have claimed
 * the others. `history` is the number of entries in the recipient's history. It waits for other nodes.
 */
export const selectAndLockLeased = selectRows<Leased, LeasedRow>({ id: 'text', owner: 'text' }, leased, {
  ...recipientLock,
  skipLocked: false,
})

/** The same without the recipients that another node has locked. */
export const selectAndLockFreeLeased = selectRows<Leased, LeasedRow>({ id: 'text', owner: 'text' }, leased, {
  ...recipientLock,
  skipLocked: true,
})

/** Writes the outcomes of recipients and ends their leases. */
export const updateOutcomes = updateRows('recipients', 'id', {
  ...{ id: 'text', state: 'text', attempts: 'integer', next_attempt_at: 'bigint', delay_notice_at: 'bigint' },
  ...{ last_code: 'integer', last_enhanced_code: 'text', last_reply: 'text' },
  ...{ lease_owner: 'text', lease_until: 'bigint', interruptions: 'integer', updated_at: 'bigint' },
})

export const insertHistory = insertRows('recipient_history', {
  ...{ id: 'text', recipient_id: 'text', position: 'integer', target: 'text', outcome: 'text', code: 'integer' },
  ...{ enhanced_code: 'text', reply: 'text', remote: 'text', tls: 'text', started_at: 'bigint', ended_at: 'bigint' },
})

/** Makes recipients that the owner has under a lease due at this time. */
export async function postpone(
  tx: Tx,
  { owner, ids, until }: { owner: string; ids: readonly string[]; until: number },
): Promise<void> {
  await tx
    .updateTable('recipients')
    .set({ next_attempt_at: until })
    .where('lease_owner', '=', owner)
    .where('id', 'in', ids)
    .execute()
}

/** Records the server that the owner's delivery to these recipients talks to. */
export async function recordServer(
  tx: Tx,
  { owner, ids, server }: { owner: string; ids: readonly string[]; server: string },
): Promise<void> {
  await tx
    .updateTable('recipients')
    .set({ delivering_to: server })
    .where('id', 'in', ids)
    .where('lease_owner', '=', owner)
    .execute()
}

/** Appends to the history of each recipient. */
export async function appendHistory(tx: Tx, rows: readonly Omit<RecipientHistoryRow, 'position'>[]): Promise<void> {
  if (rows.length === 0) return
  await tx
    .insertInto('recipient_history')
    .values((eb) =>
      rows.map((row) => ({
        ...row,
        position: eb
          .selectFrom('recipient_history as known')
          .select(sql<number>`coalesce(max(known.position), 0) + 1`.as('position'))
          .where('known.recipient_id', '=', row.recipient_id),
      })),
    )
    .execute()
}

export async function listHistory(db: Db, recipientIds: readonly string[]): Promise<RecipientHistoryRow[]> {
  if (recipientIds.length === 0) return []
  return db
    .selectFrom('recipient_history')
    .selectAll()
    .where('recipient_id', 'in', recipientIds)
    .orderBy('recipient_id')
    .orderBy('position')
    .execute()
}

/**
 * Deletes the given submissions that have no queued recipient, with their recipients and history. The caller passes
 * only submissions without a message: it was deleted, or never existed. Deleting a message does not remove its queued
 * recipients; held ones are deleted with it, or later, when no other recipient of the submission is queued. Those of a
 * code or notification stay, so that the operator finds them.
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
            .where(({ and, eb, or, ref }) =>
              or([
                eb('recipients.state', '=', 'queued'),
                and([
                  eb('recipients.state', '=', 'held'),
                  eb(ref('submissions.kind'), 'in', ['code', 'notification', 'challenge']),
                ]),
              ]),
            ),
        ),
      ),
    )
    .returning('content_id')
    .execute()
  return rows.map((row) => row.content_id)
}

const anyDelayed = prepareQuery((db, { messageId }: { messageId: string }) =>
  db
    .selectFrom('recipients')
    .select('id')
    .where('message_id', '=', messageId)
    .where('state', '=', 'queued')
    .where('attempts', '>', 0)
    .limit(1),
)

/** Whether delivery to a recipient of the message has failed temporarily and will be retried. */
export async function isAnyDelayed(db: Db, messageId: string): Promise<boolean> {
  return (await anyDelayed(db, { messageId })).length > 0
}
