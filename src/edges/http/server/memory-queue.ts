/**
 * The queue for the memory of responses (response-budget.ts): who holds how much of the budget, who waits for it, and
 * who is disconnected so that the others need not wait.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { type Owner, SharedBudget } from './shared-budget.ts'

export interface Holder {
  readonly owners: readonly Owner[]
  /** Waiting holders of one key keep their order. */
  readonly apiKeyId: string
  /** Counted bytes. Only the queue changes it. */
  bytes: number
  /** The time (`performance.now()`) when its client last read something; undefined: it has not begun to send. */
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
   * Resolves when the memory is reserved.
   *
   * @returns whether it had to wait
   * @throws too_many_responses when too many wait, after `limits.http.responseWaitMs`, and after `leave`
   */
  enter(holder: Holder, bytes: number): Promise<boolean>
  /** Changes what a holder has reserved, without waiting. */
  resize(holder: Holder, bytes: number): void
  /** Ends the wait of a holder. */
  leave(holder: Holder): void
  /**
   * Whether the memory can be reserved now. If there is none, disconnects one client that has stopped reading; its memory
   * counts as free.
   */
  hasCapacity(holder: Holder, bytes: number): boolean
  usedBytes(): number
}

export function createMemoryQueue({ http }: Limits): MemoryQueue {
  const budget = new SharedBudget(http.responsesBytesMax)
  const holders = new Set<Holder>()
  /** By API key, in the order of their turns, each with at least one. */
  const waiting = new Map<string, QueuedReservation[]>()
  let waitingCount = 0
  let relief: NodeJS.Timeout | undefined

  return {
    async enter(holder, bytes) {
      const ofKey = waiting.get(holder.apiKeyId)?.length ?? 0
      if (waitingCount >= http.responsesWaitingMax || ofKey >= http.responsesWaitingPerKeyMax)
        throw new MailError('too_many_responses', {})
      let isAdmitted = false
      const admitted = new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => mine.refuse(), http.responseWaitMs)
        const end = () => {
          clearTimeout(timer)
          remove(mine)
        }
        const mine: QueuedReservation = {
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
          },
        }
        add(mine)
      })
      advance()
      const hasWaited = !isAdmitted
      await admitted
      return hasWaited
    },

    resize,

    leave(holder) {
      const mine = waiting.get(holder.apiKeyId)?.find((each) => each.holder === holder)
      mine?.refuse()
    },

    hasCapacity(holder, bytes) {
      if (!budget.obstacle(holder.owners, bytes)) return true
      const slowest = slowestOf([{ holder, bytes }])
      if (!slowest || silentMs(slowest) < http.responseStallBusyMs) return false
      cutOff(slowest)
      return true
    },

    usedBytes: () => budget.usedBytes,
  }

  function resize(holder: Holder, bytes: number): void {
    const difference = bytes - holder.bytes
    holder.bytes = bytes
    if (bytes > 0) holders.add(holder)
    else holders.delete(holder)
    budget.change(holder.owners, difference)
    if (difference < 0) advance()
  }

  function add(mine: QueuedReservation): void {
    const { apiKeyId } = mine.holder
    waiting.set(apiKeyId, [...(waiting.get(apiKeyId) ?? []), mine])
    waitingCount += 1
  }

  function remove(mine: QueuedReservation): void {
    const { apiKeyId } = mine.holder
    const others = (waiting.get(apiKeyId) ?? []).filter((each) => each !== mine)
    waiting.delete(apiKeyId) // its next request is after the other keys
    if (others.length > 0) waiting.set(apiKeyId, others)
    waitingCount -= 1
  }

  /** Admits as many as fit. */
  function advance(): void {
    for (let next = nextToAdmit(); next; next = nextToAdmit()) {
      resize(next.holder, next.bytes)
      next.admit()
    }
    relieve()
  }

  /** One that waits for its own share lets other keys pass; one that the budget lacks room for does not. */
  function nextToAdmit(): QueuedReservation | undefined {
    for (const [first] of waiting.values()) {
      const obstacle = budget.obstacle(first!.holder.owners, first!.bytes)
      if (obstacle === undefined) return first
      if (obstacle === 'total') return undefined
    }
    return undefined
  }

  /** While some wait, disconnects the client that has read nothing for longest, as soon as that is too long. */
  function relieve(): void {
    clearTimeout(relief)
    const slowest = slowestOf([...waiting.values()].map(([first]) => first!))
    if (!slowest) return
    const leftMs = http.responseStallBusyMs - silentMs(slowest)
    if (leftMs > 0) relief = setTimeout(relieve, leftMs)
    else cutOff(slowest) // its release calls `advance`
  }

  /** @returns the holder that sends, holds memory that one of these needs, and has made no progress for longest */
  function slowestOf(needy: readonly Pick<QueuedReservation, 'holder' | 'bytes'>[]): Holder | undefined {
    let slowest: Holder | undefined
    for (const holder of holders) {
      if (holder.progressedAtMs === undefined || !needy.some((each) => isInTheWay(holder, each))) continue
      if (!slowest || silentMs(holder) > silentMs(slowest)) slowest = holder
    }
    return slowest
  }

  function isInTheWay(holder: Holder, needy: Pick<QueuedReservation, 'holder' | 'bytes'>): boolean {
    if (budget.obstacle(needy.holder.owners, needy.bytes) === 'total') return true
    return needy.holder.owners.some(({ id }) => holder.owners.some((owner) => owner.id === id))
  }

  function cutOff(holder: Holder): void {
    holders.delete(holder) // its memory is released when the connection has closed
    holder.cutOff()
  }
}

function silentMs({ progressedAtMs }: Holder): number {
  return performance.now() - (progressedAtMs ?? Number.POSITIVE_INFINITY)
}
