/**
 * Lanes of the queue: one for the inboxes here, one for the relay, one for each other domain. A lane has room for so
 * many hand-overs, and what is claimed begins at once: a destination that hangs, or has a backlog of ten thousand, holds
 * its own room and nothing else, and no lease is held for what cannot begin.
 *
 * Due recipients are looked for domain by domain, going round, so that each gets its turn when all rooms are small.
 */
import type { Limits } from '../../limits.ts'
import { claimLane, type InterruptedClaim } from '../../store/leases.ts'
import type { RecipientRow, Tx } from '../../store/schema.ts'
import type { Store } from '../../store/store.ts'
import * as table from '../../store/tables/submissions.ts'
import type { InterruptedWork } from '../jobs/interrupted-work.ts'

/** Where mail for a domain queues up. */
export interface Lane {
  readonly name: string
  /** Its own inboxes are never kept waiting by what goes out. */
  readonly isLocal: boolean
  /** Hand-overs at once. */
  readonly concurrencyMax: number
}

/** Recipients that are due and now the owner's, all of one lane. */
export interface Claimed {
  readonly lane: Lane
  /** Of this claim alone: an attempt whose lease was lost cannot write the outcome of the next one. */
  readonly owner: string
  readonly rows: readonly RecipientRow[]
}

/** A domain with due mail, and the one before it in the circle. */
interface Due {
  readonly domain: string
  readonly previous: string
  readonly lane: Lane
}

/** Counts all lanes but the local one together; no domain has such a name. */
const OUTSIDE = '(outside)'

interface LanesNeeds {
  readonly store: Store
  readonly laneOf: (domain: string) => Promise<Lane>
  readonly interrupted: InterruptedWork
  /** Called when interrupted work may be claimed that this claim had to leave. */
  readonly onFree: () => void
  readonly owner: string
  readonly clock: () => number
  readonly limits: Pick<
    Limits,
    'deliveryLeaseMs' | 'deliveryConcurrencyMax' | 'deliveryRecipientsMax' | 'deliveryLanesMax'
  >
}

export interface Lanes {
  /**
   * Claims what is due where there is room: at most so many submissions as hand-overs may begin.
   *
   * @returns isMore: there are domains that this look has not reached
   */
  claim(): Promise<{ claimed: Claimed[]; isMore: boolean }>
  /** A hand-over began or ended. */
  began(lane: Lane): void
  ended(lane: Lane): void
}

export function createLanes({ store, laneOf, interrupted, onFree, owner, clock, limits }: LanesNeeds): Lanes {
  const running = new Map<string, number>()
  let runningOutside = 0
  let claims = 0
  /** The circle of domains: where it began, after which domain it goes on, and whether it has come to the end once. */
  let start = ''
  let after = ''
  let hasWrapped = false
  /** The first domain without a turn is preceded by this one: the next circle begins there. */
  let passedOver: string | undefined

  return {
    async claim() {
      const page = await table.listLanes(store.db, { after, limit: limits.deliveryLanesMax, now: clock() })
      const due: Due[] = []
      let previous = after
      for (const { domain, isDue } of page) {
        if (isDue) due.push({ domain, previous, lane: await laneOf(domain) })
        previous = domain
      }
      const nothing = new Map<string, number>()
      const isRoom = due.some(({ lane }) => roomOf(lane, nothing) > 0)
      const claimed = isRoom ? await claimWithReservation(due) : []
      passedOver ??= due.find(({ domain, lane }) => isPassedOver(domain, lane, claimed))?.previous
      return { claimed, isMore: !goOn(page) }
    },

    began: (lane) => count(lane, 1),
    ended: (lane) => count(lane, -1),
  }

  /** @param planned hand-overs by lane that this look has found, on top of those that run */
  function roomOf(lane: Lane, planned: ReadonlyMap<string, number>): number {
    const own = lane.concurrencyMax - (running.get(lane.name) ?? 0) - (planned.get(lane.name) ?? 0)
    return lane.isLocal
      ? own
      : Math.min(own, limits.deliveryConcurrencyMax - runningOutside - (planned.get(OUTSIDE) ?? 0))
  }

  async function claimWithReservation(due: readonly Due[]): Promise<Claimed[]> {
    const reserved = interrupted.reserve(onFree)
    let claimed: Claimed[] = []
    try {
      claimed = await store.transaction((tx) => claimDue(tx, due, new Map(), reserved))
    } finally {
      interrupted.settle(
        reserved,
        claimed.flatMap(({ rows }) => rows),
      )
    }
    return claimed
  }

  /** In one transaction for all of them: its commit costs more than its statements. */
  async function claimDue(
    tx: Tx,
    due: readonly Due[],
    planned: Map<string, number>,
    reserved: InterruptedClaim,
  ): Promise<Claimed[]> {
    const claimed: Claimed[] = []
    let { mayClaim } = reserved
    for (const { domain, lane } of due) {
      const submissions = roomOf(lane, planned)
      if (submissions <= 0) continue
      claims += 1
      const claim = { owner: `${owner}/${claims}`, untilMs: tx.now + limits.deliveryLeaseMs }
      const limit = limits.deliveryRecipientsMax
      const only = { domain, submissions, limit, interrupted: { ...reserved, mayClaim } }
      const rows = await claimLane(tx, store.dialect, { ...claim, ...only })
      if (rows.some(interrupted.isInterrupted)) mayClaim = false
      if (rows.length === 0) continue // another node was faster
      const begun = new Set(rows.map((row) => row.submission_id)).size
      for (const name of lane.isLocal ? [lane.name] : [lane.name, OUTSIDE]) {
        planned.set(name, (planned.get(name) ?? 0) + begun)
      }
      claimed.push({ lane, owner: claim.owner, rows })
    }
    return claimed
  }

  /** Whether others took the room that it could have had; a domain whose own lane is full has had its turn. */
  function isPassedOver(domain: string, lane: Lane, claimed: readonly Claimed[]): boolean {
    if (lane.isLocal || claimed.some(({ rows }) => rows[0]!.domain === domain)) return false
    return lane.name !== domain || (running.get(domain) ?? 0) < lane.concurrencyMax
  }

  /** @returns whether the circle is closed */
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
