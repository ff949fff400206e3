/**
 * Limits how often something happens, for many keys, in the memory of this node: one token bucket per key, which holds the tokens of a
 * whole period (an hour, a minute) and fills evenly. So within a period after a pause, up to twice the limit can happen.
 *
 * Bounded: keys that were not seen for the longest time make place for new ones, and begin with a full bucket again. No row: a statement
 * per message or request would cost more than the limit is worth. With several nodes, each counts for itself.
 */
import { LruCache } from '../../store/lru-cache.ts'

/** The buckets of many keys. */
export interface Buckets {
  /** Counts one. @returns whether it is within the limit; if not, it does not count */
  take(key: string): boolean | Promise<boolean>
  /** Returns how many tokens a key has, with a fraction. */
  tokensOf(key: string): number
}

interface Bucket {
  tokens: number
  /** A time of `clock`. */
  filledAt: number
}

interface RateBucketsNeeds {
  /** In a period. 0: no limit. */
  readonly max: number
  readonly periodMs: number
  readonly keysMax: number
  /** Milliseconds of a monotonic clock. */
  readonly clock: () => number
}

export class RateBuckets implements Buckets {
  readonly #max: number
  readonly #periodMs: number
  readonly #clock: () => number
  readonly #buckets: LruCache<Bucket>

  constructor({ max, periodMs, keysMax, clock }: RateBucketsNeeds) {
    this.#max = max
    this.#periodMs = periodMs
    this.#clock = clock
    this.#buckets = new LruCache(keysMax)
  }

  /** Whether `take` would succeed. */
  hasToken(key: string): boolean {
    return this.#max === 0 || this.#filled(key).tokens >= 1
  }

  take(key: string): boolean {
    if (this.#max === 0) return true
    const bucket = this.#filled(key)
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }

  /** Only if there is a limit. */
  tokensOf(key: string): number {
    return this.#filled(key).tokens
  }

  #filled(key: string): Bucket {
    const now = this.#clock()
    const bucket = this.#buckets.getOrAdd(key, () => ({ tokens: this.#max, filledAt: now }))
    const gained = ((now - bucket.filledAt) / this.#periodMs) * this.#max
    bucket.tokens = Math.min(this.#max, bucket.tokens + gained)
    bucket.filledAt = now
    return bucket
  }
}
