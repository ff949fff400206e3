/**
 * Token buckets that the nodes of one service share. Each bucket is a row, from which a node takes many tokens at a time, as a lease:
 *
 *   take → own tokens → leased tokens → (lease more, and wait for it) → refused
 *
 * A small part of the limit belongs to each node alone, so that a key with few requests never causes a statement. Both parts are
 * a fortieth: of 1,000 a minute, 25. So the nodes together permit at most the limit and a twentieth of it for each node: up to 20
 * nodes, less than twice the limit. A limit below 40 has no such part, and each permitted request one statement.
 *
 * Crash: leased tokens are lost, which the bucket gains again within seconds. If the database cannot be reached, requests are
 * permitted: they fail by themselves if they need it.
 */
import type { Log } from '../../../log.ts'
import { LruCache } from '../../../store/lru-cache.ts'
import type { Store } from '../../../store/store.ts'
import { takeTokens } from '../../../store/tables/rate-counts-table.ts'
import { type Buckets, RateBuckets } from '../rate-buckets.ts'

/** A node's own part of a limit, and what it leases at once. */
const SHARE = 1 / 40
/** How long a refusal counts: meanwhile, further requests cost no statement. */
const REFUSED_MS = 250

interface Lease {
  tokens: number
  /** Tokens that were left in the row. */
  left: number
  /** When `left` was read, and when the tokens of the lease end. */
  readAtMs: number
  /** Resolves after the statement that is running. */
  asking: Promise<void> | undefined
  refusedUntilMs: number
}

interface SharedBucketsNeeds {
  /** In a period; at least 1. */
  readonly max: number
  readonly periodMs: number
  readonly keysMax: number
  /** Separates the rows from those of other buckets. */
  readonly kind: string
  readonly store: Pick<Store, 'transaction'>
  readonly log: Log
  /** Milliseconds of a monotonic clock. */
  readonly clock: () => number
}

export class SharedBuckets implements Buckets {
  readonly #needs: SharedBucketsNeeds
  readonly #ownMax: number
  readonly #leased: number
  readonly #own: RateBuckets
  readonly #leases: LruCache<Lease>

  constructor(needs: SharedBucketsNeeds) {
    const { max, periodMs, keysMax, clock } = needs
    this.#needs = needs
    this.#ownMax = Math.floor(max * SHARE)
    this.#leased = Math.max(1, this.#ownMax)
    this.#own = new RateBuckets({ max: this.#ownMax, periodMs, keysMax, clock })
    this.#leases = new LruCache(keysMax)
  }

  take(key: string): boolean | Promise<boolean> {
    if (this.#ownMax > 0 && this.#own.take(key)) return true
    const lease = this.#leaseOf(key)
    if (this.#takeLeased(lease)) {
      // The next ones before these are used up, so that requests do not wait for them.
      const isLow = lease.tokens <= this.#leased / 2
      if (isLow && lease.refusedUntilMs <= this.#needs.clock()) void this.#ask(key, lease)
      return true
    }
    return lease.refusedUntilMs > this.#needs.clock() ? false : this.#takeAfterAsking(key, lease)
  }

  tokensOf(key: string): number {
    const { max, periodMs, clock } = this.#needs
    const { tokens, left, readAtMs } = this.#leaseOf(key)
    const own = this.#ownMax > 0 ? this.#own.tokensOf(key) : 0
    const gained = ((clock() - readAtMs) / periodMs) * max
    return Math.min(max, own + tokens + left + gained)
  }

  async #takeAfterAsking(key: string, lease: Lease): Promise<boolean> {
    const { clock } = this.#needs
    // Others who wait for the same statement may take all of its tokens.
    while (!this.#takeLeased(lease)) {
      if (lease.refusedUntilMs > clock()) return false
      await this.#ask(key, lease)
    }
    return true
  }

  #takeLeased(lease: Lease): boolean {
    // A node that stored tokens for long would add them to those that the row has gained since.
    if (this.#needs.clock() - lease.readAtMs > this.#needs.periodMs) lease.tokens = 0
    if (lease.tokens < 1) return false
    lease.tokens -= 1
    return true
  }

  #leaseOf(key: string): Lease {
    const { max, clock } = this.#needs
    const make = () => ({
      tokens: 0,
      left: max - this.#ownMax,
      readAtMs: clock(),
      asking: undefined,
      refusedUntilMs: 0,
    })
    return this.#leases.getOrAdd(key, make)
  }

  /** Leases tokens, once at a time for each key. Never rejects. */
  #ask(key: string, lease: Lease): Promise<void> {
    lease.asking ??= this.#lease(key, lease).finally(() => {
      lease.asking = undefined
    })
    return lease.asking
  }

  async #lease(key: string, lease: Lease): Promise<void> {
    const { store, kind, max, periodMs, clock, log } = this.#needs
    const bucket = { key: `requests of ${kind} ${key}`, max, periodMs, tokens: this.#leased }
    try {
      const { taken, left } = await store.transaction((tx) => takeTokens(tx, bucket))
      lease.tokens += taken
      lease.left = left
      lease.readAtMs = clock()
      if (taken === 0) lease.refusedUntilMs = clock() + REFUSED_MS
    } catch (error) {
      log.warn({ err: error }, 'request rates could not be shared with other nodes')
      lease.tokens += this.#leased
      lease.readAtMs = clock()
    }
  }
}
