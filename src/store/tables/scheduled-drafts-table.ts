/** Queries that find scheduled drafts which are due, pod by pod. Rows only: mail/sending/drafts/draft-scheduler.ts decides. */
import { sql } from 'kysely'
import type { Db, LeaseTime } from '../handles.ts'
import { type InterruptionBounds, isFree, isWithin, mayBeClaimed, restrictionOf } from '../leases.ts'
import { prepareQuery } from '../prepared-query.ts'

/** Returns when the next scheduled draft without a running lease is due; undefined if there is none. */
export async function nextDue(
  db: Db,
  leaseNow: LeaseTime,
  interrupted: InterruptionBounds,
): Promise<number | undefined> {
  const [row] = await next(db, { leaseNow, restriction: restrictionOf(interrupted) })
  return row?.next_attempt_at ?? undefined
}

/** Runs after every commit. */
const next = prepareQuery(
  (db, { leaseNow, restriction }: { leaseNow: LeaseTime; restriction: InterruptionBounds | undefined }) =>
    db
      .selectFrom('drafts')
      .select('next_attempt_at')
      .where('send_status', '=', sql.lit('scheduled')) // a literal: with a parameter, the planner cannot use the partial index
      .where(isFree(leaseNow))
      .$if(restriction !== undefined, (query) => query.where(isWithin(restriction!)))
      .orderBy('next_attempt_at')
      .limit(1),
)

/** A pod with scheduled drafts. */
export interface SchedulingPod {
  readonly podId: string
  readonly organizationId: string
  /** Whether one of its drafts is due and under no lease. */
  readonly isDue: boolean
}

/**
 * Lists the pods that have scheduled drafts, by id, after `after`. It seeks from pod to pod in the index, so that a backlog
 * of one pod costs no more than one draft (`listFlows` in submissions-table.ts explains the form of the statement).
 */
export async function listSchedulingPods(
  db: Db,
  query: {
    readonly after: string
    readonly limit: number
    readonly now: number
    readonly leaseNow: LeaseTime
    readonly interrupted: InterruptionBounds
  },
): Promise<SchedulingPod[]> {
  const { after, limit, now, leaseNow, interrupted } = query
  const pods = sql<{ pod_id: string; organization_id: string; is_due: number }>`(
    with recursive pods (pod_id, organization_id, position) as (
      select pod_id, organization_id, 1 from (
        select pod_id, organization_id from drafts
        where send_status = 'scheduled' and pod_id > ${after} order by pod_id limit 1
      ) as first
      union all
      select next.pod_id, next.organization_id, pods.position + 1
      from pods join drafts as next on next.id = (
        select later.id from drafts as later
        where later.send_status = 'scheduled' and later.pod_id > pods.pod_id order by later.pod_id limit 1
      )
      where pods.position < ${limit}
    )
    select pod_id, organization_id, case when (
      select 1 from drafts where send_status = 'scheduled' and pod_id = pods.pod_id
        and next_attempt_at <= ${now} and ${isFree(leaseNow)} and ${mayBeClaimed(interrupted)} limit 1
    ) is null then 0 else 1 end as is_due
    from pods
  )`
  const rows = await db.selectFrom(pods.as('pods')).selectAll().orderBy('pod_id').execute()
  return rows.map(({ pod_id, organization_id, is_due }) => ({
    podId: pod_id,
    organizationId: organization_id,
    isDue: is_due === 1,
  }))
}
