/** Derives the outcome of a delivery from an attempt: delivered, retry at a time, or no retry. Pure. */
import type { Limits } from '../../../config/limits.ts'
import type { SafeResponse } from '../../../net/fetch/safe-fetch.ts'

/** Spreads retries of deliveries that failed together. It only adds time: the documented schedule is a minimum. */
const JITTER = 0.1

export type AttemptOutcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly afterMs: number }
  /** The attempts are used up, or the response rules out a retry. */
  | { readonly kind: 'failed' }
  /** The receiver is gone: the webhook itself is disabled. */
  | { readonly kind: 'gone' }

interface AttemptResult {
  /** undefined: no response. */
  readonly response: Pick<SafeResponse, 'status' | 'headers'> | undefined
  /** Attempts of the schedule, with this one. Of a probe, without it. */
  readonly attempts: number
  readonly retryAfterMs: readonly number[]
  /** Random, 0 to 1. */
  readonly spread: number
  /** The clock of the machine, epoch ms. */
  readonly now: number
}

/** Redirects are failures: the receiver's URL is the one that was registered (docs/adr/0016). */
export function outcomeOf(
  { response, attempts, retryAfterMs, spread, now }: AttemptResult,
  limits: Limits,
): AttemptOutcome {
  if (response && response.status >= 200 && response.status < 300) return { kind: 'delivered' }
  if (response?.status === 410) return { kind: 'gone' } // RFC 9110 §15.5.11: likely permanent
  if (response?.headers['webhook-delivery'] === 'abort-message') return { kind: 'failed' }
  const waitMs = retryAfterMs[attempts - 1]
  if (waitMs === undefined) return { kind: 'failed' }
  const askedMs = askedWaitMs(response, now, limits)
  return { kind: 'retry', afterMs: Math.max(spreadMs(waitMs, spread), askedMs) }
}

export function spreadMs(waitMs: number, spread: number): number {
  return Math.round(waitMs * (1 + JITTER * spread))
}

/** Returns how long the receiver wants us to wait, within our limit; 0 if it says nothing. */
export function askedWaitMs(response: AttemptResult['response'], now: number, limits: Limits): number {
  return Math.min(response ? retryAfterMsOf(response, now) : 0, limits.webhooks.retryAfterMsMax)
}

/** `Retry-After` in seconds or as a date (RFC 9110 §10.2.3), for a status that defines a meaning for it. */
function retryAfterMsOf({ status, headers }: Pick<SafeResponse, 'status' | 'headers'>, now: number): number {
  const value = headers['retry-after']
  if (value === undefined || (status !== 429 && status !== 503)) return 0
  const waitMs = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now
  return Number.isNaN(waitMs) ? 0 : Math.max(0, waitMs)
}
