/** Runs parts of background work: a failure is logged and counted, and the rest of the work goes on. */
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'

/** Resolves with the result of `act`; undefined when it failed. Never rejects. */
export type Guarded = <Result>(what: string, act: () => Promise<Result>) => Promise<Result | undefined>

/** @param loop its name in metrics and the log */
export function createGuarded(
  loop: string,
  { log, metrics }: { readonly log: Log; readonly metrics: Metrics },
): Guarded {
  return async function guarded(what, act) {
    try {
      return await act()
    } catch (error) {
      metrics.backgroundErrors.inc({ loop })
      log.error({ err: error, loop }, `${what} failed`)
      return undefined
    }
  }
}
