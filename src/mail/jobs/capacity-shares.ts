/**
 * Divides concurrent work among tenants, so that slow work of one tenant cannot use all the capacity.
 *
 * An organization may begin another piece of work while it runs fewer than seven times as many as there are free
 * places, and a pod while it runs fewer than its organization may still begin. So one organization alone gets seven
 * eighths of the capacity, one pod alone half of that, and two pods of one organization a third of that each. No place
 * is reserved for a given tenant, and the shares follow the load without any configuration (the dynamic thresholds of
 * shared switch buffers: Choudhury and Hahne, 1998).
 *
 * Many pods that begin one after the other can use all places for a moment. Then the first place that becomes free goes
 * to an organization that runs few pieces, and in an organization that has its share to a pod that runs none: all others
 * must wait until more is free than they run.
 */

/** The pod that owns a piece of work; without one, the organization itself counts like one of its pods. */
export interface Tenant {
  readonly organizationId: string
  readonly podId: string | null
}

/** An organization may use this many times the number of free places. */
const ORGANIZATION_WEIGHT = 7

export class CapacityShares {
  readonly #capacity: number
  readonly #running: Map<string, number>
  #total: number

  /** @param capacity pieces of work at once, of all tenants together */
  constructor(capacity: number, running: ReadonlyMap<string, number> = new Map(), total = 0) {
    this.#capacity = capacity
    this.#running = new Map(running)
    this.#total = total
  }

  /** Returns how many more pieces of work of this tenant may begin. */
  capacity(tenant: Tenant): number {
    const free = this.#capacity - this.#total
    const runningOf = (name: string) => this.#running.get(name) ?? 0
    // Each start takes a free place: start i (from 0) is allowed while running + i < weight * (free - i).
    const ofOrganization = (ORGANIZATION_WEIGHT * free - runningOf(organizationKey(tenant))) / (ORGANIZATION_WEIGHT + 1)
    // The same with the weight 1: running + i < ofOrganization - i.
    return Math.max(0, Math.ceil((Math.ceil(ofOrganization) - runningOf(podKey(tenant))) / 2))
  }

  /** Call when pieces of work begin, and with a negative number when they end. */
  add(tenant: Tenant, count: number): void {
    this.#total += count
    for (const name of [podKey(tenant), organizationKey(tenant)]) {
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

function podKey({ organizationId, podId }: Tenant): string {
  return `pod ${podId ?? organizationId}`
}

function organizationKey({ organizationId }: Tenant): string {
  return `organization ${organizationId}`
}
