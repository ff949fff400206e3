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
import { createRejectingTarget, findForbidden, type Rejections } from './forbidden-recipients.ts'

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
  /** Returns the target of a recipient of mail to this destination. */
  readonly targetFor: (recipient: RecipientRow, destination: Destination) => Promise<DeliveryTarget>
  readonly limits: Limits
}

/** Claims whose deliveries can begin. */
interface GroupedClaims {
  readonly claims: readonly ClaimedRecipients[]
  readonly groups: readonly DeliveryGroup[]
}

/**
 * Yields all claims with their deliveries, in parts (forbidden-recipients.ts). It reads the submissions of all at once: each claim is one
 * flow, often with a single recipient.
 */
export async function* groupRecipients(
  claims: readonly ClaimedRecipients[],
  { store, targetFor, limits }: DeliveryGroupsNeeds,
): AsyncGenerator<GroupedClaims> {
  const all = claims.flatMap(({ rows }) => rows)
  const submissions = await submissionsTable.listByIds(store.db, [...new Set(all.map((row) => row.submission_id))])
  const byId = new Map(submissions.map((submission) => [submission.id, submission]))
  for await (const part of findForbidden(store, claims, byId, limits)) yield { ...part, groups: await groupPart(part) }

  async function groupPart(part: {
    readonly claims: readonly ClaimedRecipients[]
    readonly rejections: Rejections
  }): Promise<DeliveryGroup[]> {
    const { rejections } = part
    const rejectingTarget = createRejectingTarget(
      part.claims.flatMap(({ rows }) => rows),
      rejections,
    )
    const groups = new Map<string, DeliveryGroup>()
    for (const { destination, flow: sender, owner, rows } of part.claims) {
      for (const row of rows) {
        const submission = byId.get(row.submission_id)
        if (!submission) continue // removed with its inbox just now
        const isSetAside = row.interruptions >= limits.jobs.interruptionsMax
        const ending = isSetAside ? setAsideTarget : rejections.has(row.id) ? rejectingTarget : undefined
        const target = ending ?? (await targetFor(row, destination))
        const key = `${owner} ${submission.id} ${target.name}`
        const known = groups.get(key)
        if (known) known.rows.push(row)
        else {
          const abort = new AbortController()
          groups.set(key, { destination, sender, owner, submission, target, rows: [row], abort })
        }
      }
    }
    return [...groups.values()]
  }
}

/** Divides claims in two; a single one by its submissions. @returns undefined when all is of one submission */
export function halve(claims: readonly ClaimedRecipients[]): (readonly ClaimedRecipients[])[] | undefined {
  const parts = claims.length > 1 ? claims : claims.flatMap(bySubmission)
  if (parts.length < 2) return undefined
  const middle = Math.ceil(parts.length / 2)
  return [parts.slice(0, middle), parts.slice(middle)]
}

function bySubmission(claim: ClaimedRecipients): ClaimedRecipients[] {
  const ids = [...new Set(claim.rows.map((row) => row.submission_id))]
  return ids.map((id) => ({ ...claim, rows: claim.rows.filter((row) => row.submission_id === id) }))
}

/**
 * Releases the leases of recipients that are not delivered now.
 *
 * @param delayMs the time after which they are due; undefined: as before
 */
export async function releaseRecipients(
  store: Store,
  claims: readonly Pick<ClaimedRecipients, 'owner' | 'rows'>[],
  delayMs?: number,
): Promise<void> {
  if (claims.length === 0) return
  await store.transaction(async (tx) => {
    for (const { owner, rows } of claims) {
      const leased = { owner, ids: rows.map((row) => row.id) }
      if (delayMs !== undefined) await submissionsTable.postpone(tx, { ...leased, until: tx.now + delayMs })
      await releaseLeases(tx, 'recipients', leased)
    }
  })
}

/** Holds recipients whose delivery may be what ends the process, until an operator releases them. */
export const setAsideTarget: DeliveryTarget = {
  name: 'set aside',
  async deliver({ recipients }) {
    const reply = 'Set aside: the last attempts ended without an outcome. See the log, then release it'
    return recipients.map(() => ({ kind: 'held', reply }))
  },
}
