/** What a scope contained at given times: from its snapshots, and from the counters for the present. */
import type { Limits } from '../../config/limits.ts'
import type { UsageSnapshotRow } from '../../store/schema/report-rows.ts'
import type { Store } from '../../store/store.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as tenants from '../../store/tables/tenants-table.ts'
import * as usage from '../../store/tables/usage-table.ts'
import type { Scope } from '../access/access.ts'

/** AgentMail's types of usage; those of an inbox, then those that pods and organizations add. */
const inboxTypes = ['storage_bytes', 'message_count', 'thread_count'] as const
const podTypes = [...inboxTypes, 'inbox_count', 'domain_count'] as const
export const usageTypes = [...podTypes, 'pod_count'] as const

export type UsageType = (typeof usageTypes)[number]

type Totals = Readonly<Record<UsageType, number>>

/** Returns the types that exist for a scope. */
export function usageTypesOf({ podId, inboxId }: Scope): readonly UsageType[] {
  if (inboxId !== undefined) return inboxTypes
  return podId === undefined ? usageTypes : podTypes
}

interface UsageNeeds {
  readonly store: Pick<Store, 'db'>
  readonly limits: Limits
}

/**
 * @param times epoch ms, oldest first
 * @param now epoch ms: the totals of this time and later are the present ones
 * @returns the totals at each time: those of the last snapshot before it; zeros before the first
 */
export async function readTotals(
  { store, limits }: UsageNeeds,
  scope: Scope,
  times: readonly number[],
  now: number,
): Promise<Totals[]> {
  const [from, through] = [times[0], times.at(-1)]
  if (from === undefined || through === undefined) return []
  const id = scope.inboxId ?? scope.podId ?? scope.organizationId
  const snapshots = await usage.listSnapshots(store.db, id, { from, through })
  let next = 0
  let last: UsageSnapshotRow | undefined
  const totals: Totals[] = []
  for (const time of times) {
    if (time >= now) {
      totals.push(await presentTotals({ store, limits }, scope, last))
      continue
    }
    while (next < snapshots.length && snapshots[next]!.at <= time) last = snapshots[next++]
    totals.push(totalsOf(last))
  }
  return totals
}

function totalsOf(row: UsageSnapshotRow | undefined): Totals {
  return Object.fromEntries(usageTypes.map((type) => [type, row?.[type] ?? 0])) as Totals
}

/** @param last for the sums of a scope with too many inboxes to add up now */
async function presentTotals(
  { store, limits }: UsageNeeds,
  scope: Scope,
  last: UsageSnapshotRow | undefined,
): Promise<Totals> {
  const { organizationId, podId, inboxId } = scope
  if (inboxId !== undefined) {
    const row = await inboxes.getById(store.db, inboxId)
    const { size_bytes: storage_bytes = 0, message_count = 0, thread_count = 0 } = row ?? {}
    return { ...totalsOf(undefined), storage_bytes, message_count, thread_count }
  }
  const { liveInboxesMax } = limits.reports
  const sums = await usage.sumCounters(store.db, scope, liveInboxesMax + 1)
  const isTooLarge = sums.inbox_count > liveInboxesMax && last !== undefined
  const domains = await usage.domainCounts(store.db, scope)
  return {
    ...(isTooLarge ? totalsOf(last) : sums),
    inbox_count: await tenants.countInboxes(store.db, organizationId, podId),
    domain_count: domains.get(podId ?? organizationId) ?? 0,
    pod_count: podId === undefined ? await usage.countPods(store.db, organizationId) : 0,
  }
}
