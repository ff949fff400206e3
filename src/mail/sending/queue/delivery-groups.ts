/**
 * Groups claimed recipients for delivery: recipients of one submission that have the same target get one delivery. Part
 * of delivery-worker.ts.
 */
import type { Limits } from '../../../config/limits.ts'
import { releaseLeases } from '../../../store/leases.ts'
import type { RecipientRow, SubmissionRow } from '../../../store/schema/sending-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as submissionsTable from '../../../store/tables/submissions-table.ts'
import type { Tenant } from '../../jobs/capacity-shares.ts'
import type { DeliveryTarget } from '../targets/delivery-target.ts'
import type { ClaimedRecipients, Destination } from './destination-limits.ts'
import { createRejectingTarget, findForbidden } from './forbidden-recipients.ts'

/** Recipients of one submission that have the same target: one delivery. */
export interface DeliveryGroup {
  readonly destination: Destination
  readonly sender: Tenant
  readonly owner: string
  readonly submission: SubmissionRow
  readonly target: DeliveryTarget
  readonly rows: RecipientRow[]
  readonly abort: AbortController
}

export interface DeliveryGroupsNeeds {
  readonly store: Store
  /** Returns the target of a recipient. */
  readonly targetFor: (recipient: RecipientRow) => Promise<DeliveryTarget>
  readonly limits: Limits
}

export async function groupRecipients(
  { destination, flow: sender, owner, rows }: ClaimedRecipients,
  { store, targetFor, limits }: DeliveryGroupsNeeds,
): Promise<DeliveryGroup[]> {
  const submissions = await submissionsTable.listByIds(store.db, [...new Set(rows.map((row) => row.submission_id))])
  const byId = new Map(submissions.map((submission) => [submission.id, submission]))
  const forbidden = await findForbidden(store, rows, byId)
  const rejectingTarget = createRejectingTarget(rows, forbidden)
  const groups = new Map<string, DeliveryGroup>()
  for (const row of rows) {
    const submission = byId.get(row.submission_id)
    if (!submission) continue // removed with its inbox just now
    const isSetAside = row.interruptions >= limits.jobs.interruptionsMax
    const ending = isSetAside ? setAsideTarget : forbidden.has(row.id) ? rejectingTarget : undefined
    const target = ending ?? (await targetFor(row))
    const key = `${submission.id} ${target.name}`
    const known = groups.get(key)
    if (known) known.rows.push(row)
    else {
      const abort = new AbortController()
      groups.set(key, { destination, sender, owner, submission, target, rows: [row], abort })
    }
  }
  return [...groups.values()]
}

/** Releases the leases of recipients that are not delivered now. */
export async function releaseRecipients(store: Store, owner: string, rows: readonly RecipientRow[]): Promise<void> {
  if (rows.length === 0) return
  const ids = rows.map((row) => row.id)
  await store.transaction((tx) => releaseLeases(tx, 'recipients', { owner, ids }))
}

/** Holds recipients whose delivery may be what ends the process, until an operator releases them. */
export const setAsideTarget: DeliveryTarget = {
  name: 'set aside',
  async deliver({ recipients }) {
    const reply = 'Set aside: the last attempts ended without an outcome. See the log, then release it'
    return recipients.map(() => ({ kind: 'held', reply }))
  },
}
