/** Removes old hourly counts. Old snapshots of usage are removed when newer ones are written (snapshot-usage.ts). */
import type { Limits } from '../../config/limits.ts'
import type { Store } from '../../store/store.ts'
import * as rollups from '../../store/tables/rollups-table.ts'

interface SweepNeeds {
  readonly store: Pick<Store, 'transaction'>
  readonly clock: () => number
  readonly limits: Limits
}

export async function sweepRollups({ store, clock, limits }: SweepNeeds, signal: AbortSignal): Promise<void> {
  const before = clock() - limits.reports.rollupRetentionMs
  let removed: number
  do {
    signal.throwIfAborted()
    removed = await store.transaction((tx) => rollups.removeOlderThan(tx, before, limits.jobs.removalChunkRows))
  } while (removed === limits.jobs.removalChunkRows)
}
