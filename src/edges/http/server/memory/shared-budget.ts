/**
 * A number of bytes that requests share. One API key, and all keys of one pod, may use only a part of it, so that
 * others always find room. A key that uses nothing else may use all that is free: something larger than its part would
 * otherwise never fit.
 */
import type { FastifyRequest } from 'fastify'
import type { Tenant } from '../../../../mail/jobs/capacity-shares.ts'

const KEY_SHARE = 1 / 2
const POD_SHARE = 3 / 4

/** A key or a pod. */
export interface BudgetOwner {
  readonly id: string
  /** Part of a budget that all requests of this owner may use together. */
  readonly share: number
}

export function ownersOf({ actor, uploader }: FastifyRequest): BudgetOwner[] {
  if (uploader) {
    const tenant = uploader.podId ?? uploader.organizationId
    return [
      { id: `uploads of ${tenant}`, share: KEY_SHARE },
      { id: `pod ${tenant}`, share: POD_SHARE },
    ]
  }
  if (!actor) return [{ id: 'anonymous', share: KEY_SHARE }]
  return [
    { id: `key ${actor.apiKeyId}`, share: KEY_SHARE },
    { id: `pod ${actor.podId ?? actor.organizationId}`, share: POD_SHARE },
  ]
}

/** Clients without a key count as one organization. */
export function tenantOf({ actor }: FastifyRequest): Tenant {
  return { organizationId: actor?.organizationId ?? 'anonymous', podId: actor?.podId ?? null }
}

export class SharedBudget {
  readonly #bytesMax: number
  readonly #taken = new Map<string, number>()
  #total = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get usedBytes(): number {
    return this.#total
  }

  /**
   * Says why these bytes do not fit: an owner already uses its share, or the budget is used up.
   *
   * @returns the first owner whose share they exceed, else 'total'; undefined if they fit
   */
  obstacle(owners: readonly BudgetOwner[], bytes: number): BudgetOwner | 'total' | undefined {
    if (this.#total === 0) return undefined // even more than the budget fits alone
    const exceeded = owners.find(({ id, share }) => {
      const own = this.#taken.get(id) ?? 0
      return own > 0 && own + bytes > share * this.#bytesMax
    })
    if (exceeded) return exceeded
    return this.#total + bytes > this.#bytesMax ? 'total' : undefined
  }

  /** Counts bytes, whether they fit or not. A negative number gives bytes back. */
  change(owners: readonly BudgetOwner[], bytes: number): void {
    this.#total += bytes
    for (const { id } of owners) {
      const own = (this.#taken.get(id) ?? 0) + bytes
      if (own === 0) this.#taken.delete(id)
      else this.#taken.set(id, own)
    }
  }
}
