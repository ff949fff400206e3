/**
 * Limits the requests of each API key, and of each organization, per minute (docs/adr/0063). An edge counts a request when it has
 * authenticated the key, before any other work: so nothing is refused after it was accepted.
 *
 * Token buckets in memory: a read costs one statement, and must not cost a second one for its limit. Nodes of one service share the
 * buckets (shared-buckets.ts). The root key is exempt: it is the operator's.
 */
import { MINUTE } from '../../../config/limits/limit.ts'
import type { Config } from '../../../config/settings.ts'
import type { RequestRate } from '../../../errors/resource-errors.ts'
import { MailError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { ApiKeyRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import { type Buckets, RateBuckets } from '../rate-buckets.ts'
import { SharedBuckets } from './shared-buckets.ts'

export interface RequestRates {
  /**
   * Counts a request.
   *
   * @returns undefined: the key has no limit
   * @throws rate_limit_exceeded, with the rate
   */
  count(key: CountedKey): Promise<RequestRate | undefined>
}

type CountedKey = Pick<ApiKeyRow, 'id' | 'organization_id' | 'is_root'>

interface RequestRatesNeeds {
  readonly config: Pick<Config, 'databaseUrl' | 'keyRequestsMax' | 'organizationRequestsMax' | 'limits'>
  readonly store: Pick<Store, 'transaction'>
  readonly log: Log
  /** Milliseconds of a monotonic clock. */
  readonly clock: () => number
  /** Epoch ms. */
  readonly wallClock: () => number
}

interface Limited {
  readonly buckets: Buckets
  readonly limit: number
  /** For the error. */
  readonly what: string
}

export function createRequestRates({ config, store, log, clock, wallClock }: RequestRatesNeeds): RequestRates {
  const keys = limited('key', config.keyRequestsMax, 'requests of this API key')
  const organizations = limited('organization', config.organizationRequestsMax, 'requests of this organization')

  return {
    async count({ id, organization_id, is_root }) {
      if (is_root === 1) return undefined
      const ofKey = keys && (await take(keys, id, id))
      const ofOrganization = organizations && (await take(organizations, organization_id, id))
      if (!ofKey || !ofOrganization) return ofKey ?? ofOrganization
      return ofOrganization.remaining < ofKey.remaining ? ofOrganization : ofKey
    },
  }

  function limited(kind: string, limit: number, what: string): Limited | undefined {
    if (limit === 0) return undefined
    const common = { max: limit, periodMs: MINUTE, keysMax: config.limits.access.requestRatesTrackedMax, clock }
    // One database with several processes has several nodes; SQLite has one.
    const isShared = config.databaseUrl !== undefined
    const buckets = isShared ? new SharedBuckets({ ...common, kind, store, log }) : new RateBuckets(common)
    return { buckets, limit, what }
  }

  async function take({ buckets, limit, what }: Limited, id: string, apiKeyId: string): Promise<RequestRate> {
    const taken = buckets.take(id)
    const isWithin = typeof taken === 'boolean' ? taken : await taken
    const tokens = buckets.tokensOf(id)
    const tokenMs = MINUTE / limit
    const rate = {
      limit,
      remaining: Math.max(0, Math.floor(tokens)),
      resetAt: Math.ceil(wallClock() + (limit - tokens) * tokenMs),
    }
    if (isWithin) return rate
    const retryAfterSeconds = Math.max(1, Math.ceil(((1 - tokens) * tokenMs) / 1_000))
    throw new MailError('rate_limit_exceeded', {
      what,
      max: limit,
      period: 'minute',
      retryAfterSeconds,
      rate,
      apiKeyId,
    })
  }
}
