/**
 * Concurrency limits per destination: the local inboxes are one destination, the relay is one, and so is each other
 * domain. A destination allows a fixed number of delivery attempts at once, and claimed work begins at once. So a
 * destination that hangs, or has a backlog of ten thousand, uses only its own capacity, and no work is leased that
 * cannot begin.
 *
 * Due recipients are searched domain by domain, in rotation, so that each domain gets its share when capacity is short.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import { claimRecipients, type InterruptedClaim, isInterrupted, UNINTERRUPTED } from '../../../store/leases.ts'
import type { RecipientRow } from '../../../store/schema/sending-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as table from '../../../store/tables/submissions-table.ts'

/** The next hop for mail of a domain, with its concurrency limit. */
export interface Destination {
  readonly name: string
  /** True for the local inboxes: outgoing mail never delays them. */
  readonly isLocal: boolean
  /** Delivery attempts at once. */
  readonly concurrencyMax: number
}

/** Due recipients of one destination, leased by the owner. */
export interface Claimed {
  readonly destination: Destination
  /** Unique to this claim: an attempt that lost its lease cannot write the outcome of the next one. */
  readonly owner: string
  readonly rows: readonly RecipientRow[]
}

/** A domain with due mail, and the domain before it in the rotation. */
interface Due {
  readonly domain: string
  readonly previous: string
  readonly destination: Destination
}

/** Counts all destinations except the local one together; no domain has such a name. */
const OUTSIDE = '(outside)'

interface DestinationLimitsNeeds {
  readonly store: Store
  readonly destinationOf: (domain: string) => Promise<Destination>
  readonly owner: string
  readonly clock: () => number
  readonly limits: Limits
}

export interface DestinationLimits {
  /**
   * Claims due recipients within the capacity: at most as many submissions as delivery attempts may begin.
   *
   * @returns isMore: this poll has not reached all domains
   */
  claim(interrupted: InterruptedClaim): Promise<{ claimed: Claimed[]; isMore: boolean }>
  /** Call when a delivery attempt begins, and `ended` when it ends. */
  began(destination: Destination): void
  ended(destination: Destination): void
}

export function createDestinationLimits({
  store,
  destinationOf,
  owner,
  clock,
  limits,
}: DestinationLimitsNeeds): DestinationLimits {
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
      const page = await table.listDueDomains(store.db, {
        after,
        limit: limits.delivery.domainsPerPollMax,
        now: clock(),
        interrupted,
      })
      const due: Due[] = []
      let previous = after
      for (const { domain, isDue } of page) {
        if (isDue) due.push({ domain, previous, destination: await destinationOf(domain) })
        previous = domain
      }
      const nothing = new Map<string, number>()
      const isRoom = due.some(({ destination }) => roomOf(destination, nothing) > 0)
      const claimed = isRoom ? await store.transaction((tx) => claimDue(tx, due, new Map(), interrupted)) : []
      passedOver ??= due.find(({ domain, destination }) => isPassedOver(domain, destination, claimed))?.previous
      return { claimed, isMore: !goOn(page) }
    },

    began: (destination) => count(destination, 1),
    ended: (destination) => count(destination, -1),
  }

  /** @param planned attempts per destination that this poll has claimed, in addition to the running ones */
  function roomOf(destination: Destination, planned: ReadonlyMap<string, number>): number {
    const own = destination.concurrencyMax - (running.get(destination.name) ?? 0) - (planned.get(destination.name) ?? 0)
    return destination.isLocal
      ? own
      : Math.min(own, limits.delivery.concurrencyMax - runningOutside - (planned.get(OUTSIDE) ?? 0))
  }

  /** Uses one transaction for all destinations: a commit costs more than its statements. */
  async function claimDue(
    tx: Tx,
    due: readonly Due[],
    planned: Map<string, number>,
    interrupted: InterruptedClaim,
  ): Promise<Claimed[]> {
    const claimed: Claimed[] = []
    let { claimBelow } = interrupted
    for (const { domain, destination } of due) {
      const submissions = roomOf(destination, planned)
      if (submissions <= 0) continue
      claims += 1
      const claim = { owner: `${owner}/${claims}`, untilMs: tx.now + limits.delivery.leaseMs }
      const limit = limits.delivery.recipientsMax
      const only = { domain, submissions, limit, interrupted: { ...interrupted, claimBelow } }
      const rows = await claimRecipients(tx, store.adapter, { ...claim, ...only })
      if (rows.some((row) => isInterrupted(row, interrupted.setAsideFrom))) claimBelow = UNINTERRUPTED
      if (rows.length === 0) continue // another node was faster
      const begun = new Set(rows.map((row) => row.submission_id)).size
      for (const name of destination.isLocal ? [destination.name] : [destination.name, OUTSIDE]) {
        planned.set(name, (planned.get(name) ?? 0) + begun)
      }
      claimed.push({ destination, owner: claim.owner, rows })
    }
    return claimed
  }

  /** Whether a domain got nothing because others used the shared capacity. A domain at its own limit does not count. */
  function isPassedOver(domain: string, destination: Destination, claimed: readonly Claimed[]): boolean {
    if (destination.isLocal || claimed.some(({ rows }) => rows[0]!.domain === domain)) return false
    return destination.name !== domain || (running.get(domain) ?? 0) < destination.concurrencyMax
  }

  /** @returns whether the rotation is complete */
  function goOn(domains: readonly { domain: string }[]): boolean {
    const isAtEnd = domains.length < limits.delivery.domainsPerPollMax
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

  function count(destination: Destination, change: number): void {
    const now = (running.get(destination.name) ?? 0) + change
    if (now > 0) running.set(destination.name, now)
    else running.delete(destination.name)
    if (!destination.isLocal) runningOutside += change
  }
}
