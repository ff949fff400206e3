/**
 * Concurrency limits of deliveries. There are two kinds.
 *
 * Per destination: the local inboxes are one destination; all other mail is one if MARTLET_OUTBOUND is relay, and
 *   otherwise each domain is one. A destination allows a fixed number of delivery attempts at once.
 * Per pod and organization (jobs/capacity-shares.ts): each gets its share of all outgoing deliveries, and of those to
 *   local inboxes.
 *
 * Claimed work begins at once. So a destination that hangs or has a backlog of ten thousand, or a pod that sends to a
 * thousand slow ones, uses only its own capacity, and no work is leased that cannot begin.
 *
 * Due recipients are searched flow by flow (the mail of one pod to one domain), in rotation. When flows find no capacity,
 * one of them is the first of the next rotation: the pods take turns, and so do the flows of a pod. So when capacity is
 * short, each pod gets its share of a domain, and each domain its share of a pod.
 */
import type { Limits } from '../../../config/limits.ts'
import { concernsAllWork } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import {
  claimRecipients,
  type InterruptionBounds,
  isInterrupted,
  leaseEnd,
  UNINTERRUPTED,
} from '../../../store/leases.ts'
import type { RecipientRow } from '../../../store/schema/sending-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as submissionsTable from '../../../store/tables/submissions-table.ts'
import { CapacityShares, type Tenant } from '../../jobs/capacity-shares.ts'
import type { Guarded } from '../../jobs/guarded.ts'

/** The next hop for mail of a domain, with its concurrency limit. */
export interface Destination {
  readonly name: string
  /** True for the local inboxes: outgoing mail never delays them. */
  readonly isLocal: boolean
  /** Delivery attempts at once. */
  readonly concurrencyMax: number
}

/** Due recipients of one flow, leased by the owner. */
export interface ClaimedRecipients {
  readonly destination: Destination
  readonly flow: submissionsTable.Flow
  /** Unique to this claim: an attempt that lost its lease cannot write the outcome of the next one. */
  readonly owner: string
  readonly rows: readonly RecipientRow[]
}

/** A flow with due mail, and the position before it in the rotation. */
interface Due {
  readonly flow: submissionsTable.Flow
  readonly previous: submissionsTable.FlowPosition
  readonly destination: Destination
}

const BEGINNING: submissionsTable.FlowPosition = { domain: '', podId: '' }

interface DestinationLimitsNeeds {
  readonly store: Store
  readonly destinationOf: (domain: string) => Promise<Destination>
  readonly owner: string
  readonly clock: () => number
  /** Whether only local mail may be claimed. Default: never. */
  readonly isPaused?: () => Promise<boolean>
  readonly guarded: Guarded
  readonly limits: Limits
}

export interface DestinationLimits {
  /**
   * Claims due recipients within the capacity: at most as many submissions as delivery attempts may begin.
   *
   * @returns isMore: this poll has not reached all flows; pauseMs: the time until the next rotation over the flows, because more is
   *   due than may begin
   */
  claim(interrupted: InterruptionBounds): Promise<{ claimed: ClaimedRecipients[]; isMore: boolean; pauseMs: number }>
  /** Claims nothing of this flow for limits.delivery.errorPauseMs: an error that says nothing about the others has stopped it. */
  pauseAfterError(flow: submissionsTable.FlowPosition): void
  /** Call when a delivery attempt begins, and `ended` when it ends. */
  began(destination: Destination, sender: Tenant): void
  ended(destination: Destination, sender: Tenant): void
}

export function createDestinationLimits({
  store,
  destinationOf,
  owner,
  clock,
  isPaused,
  guarded,
  limits,
}: DestinationLimitsNeeds): DestinationLimits {
  const running = new RunningAttempts(limits)
  /** Flows that an error has stopped, and until when, as performance.now(). */
  const pausedUntil = new Map<string, number>()
  const skipped = new SkippedFlows()
  let claimCount = 0
  /** The rotation: where it began, where it continues, and whether it has passed the last flow. */
  let start = BEGINNING
  let after = BEGINNING
  let hasWrapped = false
  /** Whether a poll of this rotation has found more than may begin, and how many flows it has read. */
  let isBehind = false
  let flowCount = 0

  return {
    async claim(interrupted) {
      const page = await submissionsTable.listFlows(store.db, {
        after,
        limit: limits.delivery.flowsPerPollMax,
        now: clock(),
        leaseNow: store.leaseNow(),
        interrupted,
      })
      for (const [name, untilMs] of pausedUntil) if (untilMs <= performance.now()) pausedUntil.delete(name)
      const due = await withoutPaused(await withDestinations(page))
      const hasCapacity = due.some(({ destination, flow }) => running.capacity(destination, flow) > 0)
      const { claimed, planned } = hasCapacity
        ? await store.transaction((tx) => claimDue(tx, due, interrupted))
        : { claimed: [], planned: running }
      isBehind ||= due.some(({ destination, flow }) => planned.capacity(destination, flow) <= 0)
      isBehind ||= due.length < page.filter((flow) => flow.isDue).length
      flowCount += page.length
      const served = new Set(claimed.map(({ flow }) => flow))
      for (const flow of served) skipped.served(flow)
      for (const { flow, previous } of due) if (!served.has(flow)) skipped.add(flow, previous)
      if (!advanceRotation(page)) return { claimed, isMore: true, pauseMs: 0 }
      const pauseMs = isBehind ? flowCount / limits.delivery.backlogFlowsMax : 0
      isBehind = false
      flowCount = 0
      return { claimed, isMore: false, pauseMs }
    },

    pauseAfterError,
    began: (destination, sender) => running.add(destination, sender, 1),
    ended: (destination, sender) => running.add(destination, sender, -1),
  }

  async function withoutPaused(due: readonly Due[]): Promise<readonly Due[]> {
    const local = due.filter(({ destination }) => destination.isLocal)
    return local.length < due.length && (await isPaused?.()) ? local : due
  }

  async function withDestinations(flows: readonly submissionsTable.Flow[]): Promise<Due[]> {
    const destinations = new Map<string, Destination>()
    const due: Due[] = []
    let previous = after
    for (const flow of flows) {
      if (flow.isDue && !pausedUntil.has(nameOf(flow))) {
        const destination = destinations.get(flow.domain) ?? (await findDestination(flow))
        if (destination) {
          destinations.set(flow.domain, destination)
          due.push({ flow, previous, destination })
        }
      }
      previous = flow
    }
    return due
  }

  /** @throws errors that concern all work */
  async function findDestination(flow: submissionsTable.Flow): Promise<Destination | undefined> {
    try {
      return await destinationOf(flow.domain)
    } catch (error) {
      if (concernsAllWork(error)) throw error
      pauseAfterError(flow)
      return guarded('finding a destination', () => Promise.reject(error), { domain: flow.domain })
    }
  }

  function pauseAfterError(flow: submissionsTable.FlowPosition): void {
    pausedUntil.set(nameOf(flow), performance.now() + limits.delivery.errorPauseMs)
  }

  /**
   * Uses one transaction for all flows: a commit costs more than its statements.
   *
   * @returns planned: the running attempts, with those of what was claimed
   */
  async function claimDue(
    tx: Tx,
    due: readonly Due[],
    interrupted: InterruptionBounds,
  ): Promise<{ claimed: ClaimedRecipients[]; planned: RunningAttempts }> {
    const planned = running.copy()
    const claimed: ClaimedRecipients[] = []
    let { interruptionsBelow } = interrupted
    for (const { flow, destination } of due) {
      const submissions = planned.capacity(destination, flow)
      if (submissions <= 0) continue
      claimCount += 1
      const claim = { owner: `${owner}/${claimCount}`, untilMs: leaseEnd(tx, limits.delivery.leaseMs) }
      const limit = limits.delivery.recipientsMax
      const { domain, podId } = flow
      const only = { domain, podId, submissions, limit, interrupted: { ...interrupted, interruptionsBelow } }
      const rows = await claimRecipients(tx, { ...claim, ...only })
      if (rows.some((row) => isInterrupted(row, interrupted.setAsideFrom))) interruptionsBelow = UNINTERRUPTED
      if (rows.length === 0) continue // another node was faster
      planned.add(destination, flow, new Set(rows.map((row) => row.submission_id)).size)
      claimed.push({ destination, flow, owner: claim.owner, rows })
    }
    return { claimed, planned }
  }

  /** @returns whether the rotation is complete */
  function advanceRotation(flows: readonly submissionsTable.Flow[]): boolean {
    const isAtEnd = flows.length < limits.delivery.flowsPerPollMax
    const last = flows.at(-1) ?? BEGINNING
    if (hasWrapped ? isAtEnd || isAfter(last, start) : isAtEnd && start.domain === '') {
      start = skipped.next()
      after = start
      hasWrapped = false
      return true
    }
    after = isAtEnd ? BEGINNING : last
    hasWrapped ||= isAtEnd
    return false
  }
}

/** The delivery attempts that run, by destination and by owner. */
class RunningAttempts {
  readonly #byDestination = new Map<string, number>()
  #outside: CapacityShares
  #local: CapacityShares
  readonly #limits: Limits

  constructor(limits: Limits) {
    this.#limits = limits
    this.#outside = new CapacityShares(limits.delivery.concurrencyMax)
    this.#local = new CapacityShares(limits.delivery.localConcurrencyMax)
  }

  /** Returns how many more may begin. */
  capacity({ name, isLocal, concurrencyMax }: Destination, sender: Tenant): number {
    const own = concurrencyMax - (this.#byDestination.get(name) ?? 0)
    return Math.min(own, (isLocal ? this.#local : this.#outside).capacity(sender))
  }

  /** @param count negative for attempts that have ended */
  add({ name, isLocal }: Destination, sender: Tenant, count: number): void {
    const now = (this.#byDestination.get(name) ?? 0) + count
    if (now > 0) this.#byDestination.set(name, now)
    else this.#byDestination.delete(name)
    const shares = isLocal ? this.#local : this.#outside
    shares.add(sender, count)
  }

  copy(): RunningAttempts {
    const copy = new RunningAttempts(this.#limits)
    for (const [name, count] of this.#byDestination) copy.#byDestination.set(name, count)
    copy.#outside = this.#outside.copy()
    copy.#local = this.#local.copy()
    return copy
  }
}

/**
 * The flows that found no capacity in a rotation. They decide where the next one begins: the pods take turns, and so do
 * the flows of each pod. If each rotation began at the same flow while one pod is slow, the last flows of the others
 * would never be reached.
 */
class SkippedFlows {
  /** The next flow of each pod. */
  readonly #nextOf = new Map<string, Skipped>()
  /** The domain of each pod that was served last. */
  readonly #lastOf = new Map<string, string>()
  #lastPod = ''

  served({ domain, podId }: submissionsTable.FlowPosition): void {
    this.#lastOf.set(podId, domain)
  }

  /** @param previous the position before the flow */
  add({ domain, podId }: submissionsTable.FlowPosition, previous: submissionsTable.FlowPosition): void {
    const known = this.#nextOf.get(podId)
    if (!known || comesFirst(domain, known.domain, this.#lastOf.get(podId) ?? '')) {
      this.#nextOf.set(podId, { domain, previous })
    }
  }

  /** Returns the position after which the next rotation begins, and forgets the flows of this one. */
  next(): submissionsTable.FlowPosition {
    const pods = [...this.#nextOf.keys()].sort()
    const pod = pods.find((each) => each > this.#lastPod) ?? pods[0]
    for (const each of this.#lastOf.keys()) if (!this.#nextOf.has(each)) this.#lastOf.delete(each)
    if (pod === undefined) return BEGINNING
    const { previous } = this.#nextOf.get(pod)!
    this.#lastPod = pod
    this.#nextOf.clear()
    return previous
  }
}

interface Skipped {
  readonly domain: string
  readonly previous: submissionsTable.FlowPosition
}

/** Whether a domain is before another one in the order that begins after `last` and continues at the beginning. */
function comesFirst(domain: string, other: string, last: string): boolean {
  return domain > last === other > last ? domain < other : domain > last
}

function nameOf({ podId, domain }: submissionsTable.FlowPosition): string {
  return `${podId} ${domain}`
}

function isAfter(a: submissionsTable.FlowPosition, b: submissionsTable.FlowPosition): boolean {
  return a.domain === b.domain ? a.podId > b.podId : a.domain > b.domain
}
