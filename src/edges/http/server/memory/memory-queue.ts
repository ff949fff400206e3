/**
 * The queue for the memory of responses, or of messages that are composed (response-budget.ts): how much of the budget each response uses, which requests
 * wait for it, and which client is disconnected so that others need not wait.
 */
import type { Limits } from '../../../../config/limits.ts'
import { MailError } from '../../../../errors.ts'
import { CapacityShares, type Tenant } from '../../../../mail/jobs/capacity-shares.ts'
import { type BudgetOwner, SharedBudget } from './shared-budget.ts'

export interface Holder {
  readonly owners: readonly BudgetOwner[]
  /** Whose share of the waiting places it takes. */
  readonly tenant: Tenant
  /** Waiting holders of one key keep their order. undefined: a client without a key. */
  readonly apiKeyId: string | undefined
  /** Counted bytes. Only the queue changes it. */
  bytes: number
  /** The time (`performance.now()`) when a part of it last left the process; undefined: it has not begun to send. */
  progressedAtMs: number | undefined
  /** Disconnects the client. Its memory is released soon after. */
  cutOff(): void
}

interface QueuedReservation {
  readonly holder: Holder
  readonly bytes: number
  admit(): void
  refuse(): void
}

export interface MemoryQueue {
  /**
   * Resolves when the memory is reserved: at once if it fits, even while others wait for their own shares.
   *
   * @param mayWait false: it gets the memory at once or not at all
   * @returns whether it had to wait
   * @throws too_many_responses when the key, the pod or the organization uses its share of waiting places, after
   *   `limits.http.responseWaitMs`, and after `leave`
   */
  enter(holder: Holder, bytes: number, mayWait: boolean): Promise<boolean>
  /** Changes what a holder has reserved, without waiting. */
  resize(holder: Holder, bytes: number): void
  /** Ends the wait of a holder. */
  leave(holder: Holder): void
  /**
   * Reserves memory that is free now, ahead of those that wait: for a response that is in memory already. Disconnects
   * clients that have stopped reading, if that is necessary.
   *
   * @returns whether it is reserved
   */
  take(holder: Holder, bytes: number): boolean
  usedBytes(): number
  waitingCount(): number
}

export function createMemoryQueue({ http }: Limits, bytesMax: number): MemoryQueue {
  const budget = new SharedBudget(bytesMax)
  const holders = new Set<Holder>()
  /** The waiting requests by API key, in the order of the keys' turns. */
  const waiting = new Map<string | undefined, QueuedReservation[]>()
  let waitingCount = 0
  const places = new CapacityShares(http.responsesWaitingMax)
  let cutOffTimer: NodeJS.Timeout | undefined

  return {
    async enter(holder, bytes, mayWait) {
      const ofKey = waiting.get(holder.apiKeyId)?.length ?? 0
      const canWait = mayWait && ofKey < http.responsesWaitingPerKeyMax && places.capacity(holder.tenant) > 0
      let isAdmitted = false
      const admitted = new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reservation.refuse(), http.responseWaitMs)
        const end = () => {
          clearTimeout(timer)
          remove(reservation)
        }
        const reservation: QueuedReservation = {
          holder,
          bytes,
          admit() {
            end()
            isAdmitted = true
            resolve()
          },
          refuse() {
            end()
            reject(new MailError('too_many_responses', {}))
            advance() // those behind it may fit
          },
        }
        add(reservation)
        advance()
        if (!isAdmitted && !canWait) reservation.refuse()
      })
      const hasWaited = !isAdmitted
      await admitted
      return hasWaited
    },

    resize,

    leave(holder) {
      const reservation = waiting.get(holder.apiKeyId)?.find((each) => each.holder === holder)
      reservation?.refuse()
    },

    take(holder, bytes) {
      let isFree = !budget.obstacle(holder.owners, bytes)
      while (!isFree) {
        const slowest = slowestOf([{ holder, bytes }])
        if (!slowest || stalledMs(slowest) < http.responseStallBusyMs) break
        cutOff(slowest)
        isFree = !budget.obstacle(holder.owners, bytes)
      }
      if (isFree) resize(holder, bytes)
      advance() // it may have freed more than it needs
      return isFree
    },

    usedBytes: () => budget.usedBytes,
    waitingCount: () => waitingCount,
  }

  function resize(holder: Holder, bytes: number): void {
    const difference = bytes - holder.bytes
    holder.bytes = bytes
    if (bytes > 0) holders.add(holder)
    else holders.delete(holder)
    budget.change(holder.owners, difference)
    if (difference < 0) advance()
  }

  function add(reservation: QueuedReservation): void {
    const { apiKeyId } = reservation.holder
    waiting.set(apiKeyId, [...(waiting.get(apiKeyId) ?? []), reservation])
    waitingCount += 1
    places.add(reservation.holder.tenant, 1)
  }

  function remove(reservation: QueuedReservation): void {
    const { apiKeyId } = reservation.holder
    const others = (waiting.get(apiKeyId) ?? []).filter((each) => each !== reservation)
    waiting.delete(apiKeyId) // its next request is after the other keys
    if (others.length > 0) waiting.set(apiKeyId, others)
    waitingCount -= 1
    places.add(reservation.holder.tenant, -1)
  }

  /**
   * Admits as many as fit. If some still wait, disconnects the client that has read nothing for longest, as soon as that
   * is too long.
   */
  function advance(): void {
    clearTimeout(cutOffTimer)
    for (;;) {
      for (let next = nextToAdmit(); next; next = nextToAdmit()) {
        resize(next.holder, next.bytes)
        next.admit()
      }
      if (waitingCount === 0) return
      const slowest = slowestOf([...waiting.values()].map(([first]) => first!))
      // If none can be disconnected now, check again when one can: a response that begins later is not too slow earlier.
      const leftMs = http.responseStallBusyMs - (slowest ? stalledMs(slowest) : 0)
      if (!slowest || leftMs > 0) {
        cutOffTimer = setTimeout(advance, leftMs)
        return
      }
      cutOff(slowest)
    }
  }

  /** A request that waits for its own share lets other keys pass; one that waits for the whole budget does not. */
  function nextToAdmit(): QueuedReservation | undefined {
    for (const [first] of waiting.values()) {
      const obstacle = budget.obstacle(first!.holder.owners, first!.bytes)
      if (obstacle === undefined) return first
      if (obstacle === 'total') return undefined
    }
    return undefined
  }

  /** @returns the holder that sends, holds memory that one of these needs, and has made no progress for longest */
  function slowestOf(wanted: readonly Pick<QueuedReservation, 'holder' | 'bytes'>[]): Holder | undefined {
    let slowest: Holder | undefined
    for (const holder of holders) {
      if (holder.progressedAtMs === undefined || !wanted.some((each) => isInTheWay(holder, each))) continue
      if (!slowest || stalledMs(holder) > stalledMs(slowest)) slowest = holder
    }
    return slowest
  }

  /** A key's own requests do not disconnect each other: it would repeat them, and never get any. */
  function isInTheWay(holder: Holder, wanted: Pick<QueuedReservation, 'holder' | 'bytes'>): boolean {
    if (holder.apiKeyId !== undefined && holder.apiKeyId === wanted.holder.apiKeyId) return false
    const obstacle = budget.obstacle(wanted.holder.owners, wanted.bytes)
    if (obstacle === undefined || obstacle === 'total') return obstacle === 'total'
    return holder.owners.some(({ id }) => id === obstacle.id)
  }

  /** Its memory counts as free at once: nothing is sent any more. */
  function cutOff(holder: Holder): void {
    holders.delete(holder)
    budget.change(holder.owners, -holder.bytes)
    holder.bytes = 0
    holder.cutOff()
  }
}

function stalledMs({ progressedAtMs }: Holder): number {
  return performance.now() - (progressedAtMs ?? Number.POSITIVE_INFINITY)
}
