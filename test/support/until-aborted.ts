import { waitUnlessAborted } from '../../src/deadline.ts'

/**
 * Work that ends only when it is aborted.
 *
 * A stop may abort the signal after a row was claimed and before its work begins, so a listener alone may wait for ever.
 *
 * @throws the reason of `signal`
 */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return waitUnlessAborted(new Promise<never>(() => undefined), signal)
}
