/**
 * Divides concurrent work among those who own it, so that slow work of one owner cannot use all the capacity.
 *
 * A pod may begin another piece of work while it runs fewer pieces than there are free places, and an organization
 * while it runs fewer than three times as many. So one pod alone uses half of the capacity, two pods a third each, and
 * one organization three quarters. A place that becomes free goes to those who run the least: while all places are
 * used, only a pod that runs nothing may take it. No place is reserved for a given owner, and the sizes follow the
 * load without any configuration (the dynamic thresholds of shared switch buffers: Choudhury and Hahne, 1998).
 *
 * Many pods that begin one after the other can use all places for a moment. Each then waits until its number is below
 * that of the free places again, so another pod gets the first place that becomes free.
 */

/** The pod that owns a piece of work; without one, the organization itself counts like one of its pods. */
export interface Owner {
  readonly organizationId: string
  readonly podId: string | null
}

/** How many times the free places one owner may use. */
const POD_WEIGHT = 1
const ORGANIZATION_WEIGHT = 3

export class CapacityShares {
  readonly #capacity: number
  readonly #running: Map<string, number>
  #total: number

  /** @param capacity pieces of work at once, of all owners together */
  constructor(capacity: number, running: ReadonlyMap<string, number> = new Map(), total = 0) {
    this.#capacity = capacity
    this.#running = new Map(running)
    this.#total = total
  }

  /** Returns how many more pieces of work of this owner may begin. */
  room(owner: Owner): number {
    const free = this.#capacity - this.#total
    const ofPod = startsWithin(POD_WEIGHT, free, this.#running.get(podKey(owner)))
    return Math.max(0, Math.min(free, ofPod, startsWithin(ORGANIZATION_WEIGHT, free, this.#running.get(key(owner)))))
  }

  /** Call when pieces of work begin, and with a negative number when they end. */
  add(owner: Owner, count: number): void {
    this.#total += count
    for (const name of [podKey(owner), key(owner)]) {
      const now = (this.#running.get(name) ?? 0) + count
      if (now > 0) this.#running.set(name, now)
      else this.#running.delete(name)
    }
  }

  /** Returns a copy in which work can be planned. */
  copy(): CapacityShares {
    return new CapacityShares(this.#capacity, this.#running, this.#total)
  }
}

/** Each start takes a free place: start number i (from 0) is allowed while running + i < weight * (free - i). */
function startsWithin(weight: number, free: number, running = 0): number {
  return Math.ceil((weight * free - running) / (weight + 1))
}

function podKey({ organizationId, podId }: Owner): string {
  return `pod ${podId ?? organizationId}`
}

function key({ organizationId }: Owner): string {
  return `organization ${organizationId}`
}
