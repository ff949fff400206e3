/** Runs parts of background work: a failure is logged and counted, and the rest of the work goes on. */
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'

/** What the work is about: members of the log line. */
type About = Readonly<Record<string, unknown>>

/** Resolves with the result of `act`; undefined when it failed. Never rejects. */
export type Guarded = <Result>(what: string, act: () => Promise<Result>, about?: About) => Promise<Result | undefined>

/** @param loop its name in metrics and the log */
export function createGuarded(
  loop: string,
  { log, metrics }: { readonly log: Log; readonly metrics: Metrics },
): Guarded {
  return async function guarded(what, act, about) {
    try {
      return await act()
    } catch (error) {
      metrics.backgroundErrors.inc({ loop })
      log.error({ err: error, loop, ...about }, `${what} failed`)
      return undefined
    }
  }
}
