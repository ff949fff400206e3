/** A domain, as the core returns it. Its event has the same shape, and declares it (events/log/resource-events.ts). */
import type { EventDomain } from '../events/log/resource-events.ts'
import type { RecommendedRecord } from './recommended-records.ts'

/** A domain with its records: what its owner must publish, and what the last check has found. */
export interface Domain extends EventDomain {
  /** A verified domain has lost its records: it is used until then; epoch ms. */
  readonly usableUntil?: number
  readonly recommended?: readonly RecommendedRecord[]
}

/** The fields of a domain in a list. */
export type DomainItem = Omit<Domain, 'records' | 'recommended'>

export type DomainRecord = Domain['records'][number]
