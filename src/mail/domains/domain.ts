/** A domain, as the core returns it. */
import type { ExpectedRecord, RecordCheck, SeenRecord } from './domain-records.ts'

/** A record that the owner must publish, and what the last check has found. */
export interface DomainRecord extends ExpectedRecord, RecordCheck {
  readonly seen: readonly SeenRecord[]
}

/** The fields of a domain in a list. */
export interface DomainItem {
  readonly id: string
  readonly organizationId: string
  /** Absent: open to all pods of the organization. */
  readonly podId?: string
  /** A-labels, lower case. */
  readonly domain: string
  readonly clientId?: string
  /**
   * - NOT_STARTED: never checked
   * - PENDING: records are missing
   * - INVALID: records have wrong values
   * - FAILED: the records are right, but another tenant has verified the domain before
   * - VERIFIED: mail is sent and received
   */
  readonly status: 'NOT_STARTED' | 'PENDING' | 'INVALID' | 'VERIFIED' | 'FAILED'
  /** Why it is not verified. */
  readonly reason?: string
  readonly isInbound: boolean
  /** Notices about failed deliveries arrive in the sending inbox. */
  readonly hasFeedback: boolean
  readonly hasSubdomains: boolean
  /** Epoch ms. */
  readonly checkedAt?: number
  /** A verified domain has lost its records: it is used until then; epoch ms. */
  readonly usableUntil?: number
  readonly createdAt: number
  readonly updatedAt: number
}

/** A domain with its records. */
export interface Domain extends DomainItem {
  readonly records: readonly DomainRecord[]
}
