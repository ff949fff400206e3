/** Decides when a recipient with a temporary failure is retried (RFC 5321 §4.5.4.1). Pure. */
import type { Limits } from '../../../config/limits.ts'

/** The first three waits, as factors of the first; from then on each wait is double the last. */
const EARLY_FACTORS = [1, 5, 15] as const
/** Spreads recipients that failed together. */
const JITTER = 0.2

/**
 * @param attempts attempts made so far, at least 1
 * @param spread random, 0 to 1
 * @returns ms until the next attempt: 1 min, 5 min, 15 min, then doubling up to the limit, ±20 %
 */
export function retryDelayMs(attempts: number, spread: number, limits: Limits): number {
  const last = EARLY_FACTORS.length
  const factor = EARLY_FACTORS[attempts - 1] ?? EARLY_FACTORS[last - 1]! * 2 ** Math.min(attempts - last, 20)
  const delayMs = Math.min(factor * limits.delivery.retryFirstMs, limits.delivery.retryMsMax)
  return Math.round(delayMs * (1 + JITTER * (2 * spread - 1)))
}

/**
 * Whether recipients of a message that a server has deferred in one attempt are retried in one attempt too, so that it gets one copy of the
 * message (RFC 5321 §4.5.4.1). Greylisting defers all of them for some minutes, with 450 or 451. After other failures each waits by
 * itself: a server that ends a session at its eleventh recipient would do so again and again.
 *
 * @param attempts attempts made so far, at least 1
 */
export function isRetriedTogether(attempts: number, { code }: { readonly code?: number }): boolean {
  return (code === 450 || code === 451) && attempts <= EARLY_FACTORS.length
}
