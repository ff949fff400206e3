/**
 * The job that removes the list entries of a deleted inbox or pod, in chunks: its lists may have sixty thousand.
 *
 * Crash, stop: the job runs again and continues with the entries that are left.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import * as listEntries from '../../../store/tables/list-entries-table.ts'
import type { JobHandler } from '../../jobs/jobs.ts'

interface RemoveListEntriesNeeds {
  readonly store: Store
  readonly limits: Limits
}

/** Handles jobs REMOVE_LIST_ENTRIES; the key is the id of the inbox or pod. */
export function createRemoveListEntries({ store, limits }: RemoveListEntriesNeeds): JobHandler {
  return async function removeListEntries({ key: scopeId, signal }) {
    let isMore = true
    while (isMore) {
      signal.throwIfAborted()
      isMore = await store.transaction((tx) => listEntries.removeSome(tx, scopeId, limits.listEntries.removalChunkRows))
    }
  }
}
