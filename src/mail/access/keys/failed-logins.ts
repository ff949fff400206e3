/**
 * Delays the answers to failed logins: longer with each failure, per network of the peer and per account. A right password
 * is checked first and never waits, so nobody can lock another out.
 *
 * The counts are in memory, and their number is bounded: they only slow down guessing, and a password has at least 160
 * random bits.
 */
import type { Limits } from '../../../config/limits.ts'

export interface FailedLogins {
  /** Counts a failure. @returns how long the answer waits, in milliseconds */
  record(names: { readonly network: string; readonly account: string }): number
}

interface FailedCount {
  count: number
  lastAtMs: number
}

interface FailedLoginsNeeds {
  readonly limits: Limits
  /** Milliseconds of a monotonic clock. */
  readonly clock: () => number
}

/** Longer names are the same account: a peer chooses them. */
const ACCOUNT_CHARS_MAX = 254

export function createFailedLogins({ limits, clock }: FailedLoginsNeeds): FailedLogins {
  /** Those that failed last are at the end. */
  const networks = new Map<string, FailedCount>()
  const accounts = new Map<string, FailedCount>()
  const { failedLoginDelayMs, failedLoginDelayMsMax, failedLoginForgetMs, failedLoginNamesMax } = limits.access

  return {
    record({ network, account }) {
      const count = Math.max(add(networks, network), add(accounts, account.slice(0, ACCOUNT_CHARS_MAX).toLowerCase()))
      return Math.min(failedLoginDelayMs * 2 ** Math.min(count - 1, 30), failedLoginDelayMsMax)
    },
  }

  function add(counts: Map<string, FailedCount>, name: string): number {
    const now = clock()
    const known = counts.get(name)
    const count = known && now - known.lastAtMs < failedLoginForgetMs ? known.count + 1 : 1
    counts.delete(name)
    if (counts.size >= failedLoginNamesMax) counts.delete(counts.keys().next().value!)
    counts.set(name, { count, lastAtMs: now })
    return count
  }
}
