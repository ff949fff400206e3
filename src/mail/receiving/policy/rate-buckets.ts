/**
 * Limits how often something happens per hour, for many keys, in the memory of this node: one token bucket per key, which holds the
 * tokens of an hour and fills evenly. So within an hour after a pause, up to twice the limit can happen.
 *
 * Bounded: keys that were not seen for the longest time make place for new ones, and begin with a full bucket again. No row: a statement
 * per message would cost more than the limit is worth. With several nodes, each counts for itself.
 */
import { HOUR } from '../../../config/limits/limit.ts'
import { LruCache } from '../../../store/lru-cache.ts'

interface Bucket {
  tokens: number
  /** Of `clock`. */
  filledAt: number
}

interface RateBucketsNeeds {
  /** 0: no limit. */
  readonly perHour: number
  readonly keysMax: number
  /** Milliseconds of a monotonic clock. */
  readonly clock: () => number
}

export class RateBuckets {
  readonly #perHour: number
  readonly #clock: () => number
  readonly #buckets: LruCache<Bucket>

  constructor({ perHour, keysMax, clock }: RateBucketsNeeds) {
    this.#perHour = perHour
    this.#clock = clock
    this.#buckets = new LruCache(keysMax)
  }

  /** Whether `take` would succeed. */
  hasToken(key: string): boolean {
    return this.#perHour === 0 || this.#filled(key).tokens >= 1
  }

  /** Counts one. @returns whether it is within the limit; if not, it does not count */
  take(key: string): boolean {
    if (this.#perHour === 0) return true
    const bucket = this.#filled(key)
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }

  #filled(key: string): Bucket {
    const now = this.#clock()
    const bucket = this.#buckets.getOrAdd(key, () => ({ tokens: this.#perHour, filledAt: now }))
    const gained = ((now - bucket.filledAt) / HOUR) * this.#perHour
    bucket.tokens = Math.min(this.#perHour, bucket.tokens + gained)
    bucket.filledAt = now
    return bucket
  }
}
