/**
 * Concurrency limits per destination (lanes): one lane for the local inboxes, one for the relay, one for each other
 * domain. A lane allows a fixed number of delivery attempts at once, and claimed work begins at once. So a destination
 * that hangs, or has a backlog of ten thousand, uses only its own capacity, and no work is leased that cannot begin.
 *
 * Due recipients are searched domain by domain, in rotation, so that each domain gets its share when capacity is short.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import { claimLane, type InterruptedClaim, isInterrupted } from '../../../store/leases.ts'
import type { RecipientRow } from '../../../store/schema/sending-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as table from '../../../store/tables/submissions-table.ts'

/** The queue of a destination. */
export interface Lane {
  readonly name: string
  /** True for the local inboxes: outgoing mail never delays them. */
  readonly isLocal: boolean
  /** Delivery attempts at once. */
  readonly concurrencyMax: number
}

/** Due recipients of one lane, leased by the owner. */
export interface Claimed {
  readonly lane: Lane
  /** Unique to this claim: an attempt that lost its lease cannot write the outcome of the next one. */
  readonly owner: string
  readonly rows: readonly RecipientRow[]
}

/** A domain with due mail, and the domain before it in the rotation. */
interface Due {
  readonly domain: string
  readonly previous: string
  readonly lane: Lane
}

/** Counts all lanes except the local one together; no domain has such a name. */
const OUTSIDE = '(outside)'

interface LanesNeeds {
  readonly store: Store
  readonly laneOf: (domain: string) => Promise<Lane>
  readonly owner: string
  readonly clock: () => number
  readonly limits: Pick<
    Limits,
    'deliveryLeaseMs' | 'deliveryConcurrencyMax' | 'deliveryRecipientsMax' | 'deliveryLanesMax'
  >
}

export interface Lanes {
  /**
   * Claims due recipients within the capacity: at most as many submissions as delivery attempts may begin.
   *
   * @returns isMore: this poll has not reached all domains
   */
  claim(interrupted: InterruptedClaim): Promise<{ claimed: Claimed[]; isMore: boolean }>
  /** Call when a delivery attempt begins, and `ended` when it ends. */
  began(lane: Lane): void
  ended(lane: Lane): void
}

export function createLanes({ store, laneOf, owner, clock, limits }: LanesNeeds): Lanes {
  const running = new Map<string, number>()
  let runningOutside = 0
  let claims = 0
  /** The rotation: its first domain, the domain after which it continues, and whether it has passed the last domain. */
  let start = ''
  let after = ''
  let hasWrapped = false
  /** The domain before the first one that was skipped: the next rotation begins there. */
  let passedOver: string | undefined

  return {
    async claim(interrupted) {
      const page = await table.listLanes(store.db, { after, limit: limits.deliveryLanesMax, now: clock(), interrupted })
      const due: Due[] = []
      let previous = after
      for (const { domain, isDue } of page) {
        if (isDue) due.push({ domain, previous, lane: await laneOf(domain) })
        previous = domain
      }
      const nothing = new Map<string, number>()
      const isRoom = due.some(({ lane }) => roomOf(lane, nothing) > 0)
      const claimed = isRoom ? await store.transaction((tx) => claimDue(tx, due, new Map(), interrupted)) : []
      passedOver ??= due.find(({ domain, lane }) => isPassedOver(domain, lane, claimed))?.previous
      return { claimed, isMore: !goOn(page) }
    },

    began: (lane) => count(lane, 1),
    ended: (lane) => count(lane, -1),
  }

  /** @param planned attempts per lane that this poll has claimed, in addition to the running ones */
  function roomOf(lane: Lane, planned: ReadonlyMap<string, number>): number {
    const own = lane.concurrencyMax - (running.get(lane.name) ?? 0) - (planned.get(lane.name) ?? 0)
    return lane.isLocal
      ? own
      : Math.min(own, limits.deliveryConcurrencyMax - runningOutside - (planned.get(OUTSIDE) ?? 0))
  }

  /** Uses one transaction for all lanes: a commit costs more than its statements. */
  async function claimDue(
    tx: Tx,
    due: readonly Due[],
    planned: Map<string, number>,
    interrupted: InterruptedClaim,
  ): Promise<Claimed[]> {
    const claimed: Claimed[] = []
    let { mayClaim } = interrupted
    for (const { domain, lane } of due) {
      const submissions = roomOf(lane, planned)
      if (submissions <= 0) continue
      claims += 1
      const claim = { owner: `${owner}/${claims}`, untilMs: tx.now + limits.deliveryLeaseMs }
      const limit = limits.deliveryRecipientsMax
      const only = { domain, submissions, limit, interrupted: { ...interrupted, mayClaim } }
      const rows = await claimLane(tx, store.dialect, { ...claim, ...only })
      if (rows.some((row) => isInterrupted(row, interrupted.setAsideFrom))) mayClaim = false
      if (rows.length === 0) continue // another node was faster
      const begun = new Set(rows.map((row) => row.submission_id)).size
      for (const name of lane.isLocal ? [lane.name] : [lane.name, OUTSIDE]) {
        planned.set(name, (planned.get(name) ?? 0) + begun)
      }
      claimed.push({ lane, owner: claim.owner, rows })
    }
    return claimed
  }

  /** Whether a domain got nothing because others used the shared capacity. Its own full lane does not count. */
  function isPassedOver(domain: string, lane: Lane, claimed: readonly Claimed[]): boolean {
    if (lane.isLocal || claimed.some(({ rows }) => rows[0]!.domain === domain)) return false
    return lane.name !== domain || (running.get(domain) ?? 0) < lane.concurrencyMax
  }

  /** @returns whether the rotation is complete */
  function goOn(domains: readonly { domain: string }[]): boolean {
    const isAtEnd = domains.length < limits.deliveryLanesMax
    const last = domains.at(-1)?.domain ?? ''
    if (hasWrapped ? isAtEnd || last > start : isAtEnd && start === '') {
      start = passedOver ?? ''
      after = start
      hasWrapped = false
      passedOver = undefined
      return true
    }
    after = isAtEnd ? '' : last
    hasWrapped ||= isAtEnd
    return false
  }

  function count(lane: Lane, change: number): void {
    const now = (running.get(lane.name) ?? 0) + change
    if (now > 0) running.set(lane.name, now)
    else running.delete(lane.name)
    if (!lane.isLocal) runningOutside += change
  }
}
