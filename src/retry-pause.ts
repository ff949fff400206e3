/** Computes the pause between attempts of an operation that keeps failing. Pure. */

/**
 * Returns the pause after an attempt: the first one, then `factor` times the last one, up to the longest one.
 *
 * @param attempts attempts made so far, at least 1
 * @returns milliseconds
 */
export function retryPauseMs(attempts: number, firstMs: number, longestMs: number, factor = 2): number {
  return Math.min(firstMs * factor ** (attempts - 1), longestMs)
}
