/**
 * What a search does about blocks of the text index of which a part is missing: it marks them, and the job of their kind makes them again. The
 * search has read their messages instead, so its result needs nothing of this: on a full disk it answers all the same, and the next one marks
 * them.
 */
import type { Log } from '../../../log.ts'
import type { Store } from '../../../store/store.ts'
import * as index from '../../../store/tables/search-index-table.ts'
import { enqueue } from '../../jobs/jobs.ts'

interface RepairNeeds {
  readonly store: Pick<Store, 'transaction'>
  readonly log: Log
}

/** @param jobKind of the job that makes the blocks; one that was replaced while it was read is not damaged. Never rejects */
export async function repairBlocks(
  { store, log }: RepairNeeds,
  {
    inboxId,
    jobKind,
    damaged,
  }: { readonly inboxId: string; readonly jobKind: string; readonly damaged: readonly number[] },
): Promise<void> {
  if (damaged.length === 0) return
  try {
    await store.transaction(async (tx) => {
      if ((await index.invalidate(tx, damaged)) > 0) await enqueue(tx, { kind: jobKind, key: inboxId })
    })
  } catch (error) {
    log.warn({ err: error, inboxId }, 'damaged blocks of the text index were not marked; the next search will do it')
  }
}
