/** Removes the drafts of an inbox that is being deleted, some at a time. */
import type { Tx } from '../../../store/handles.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'

/**
 * The caller must lock the inbox.
 *
 * @returns how many were removed, at most `countMax`, and keys of blobs to discard after the commit
 */
export async function removeDrafts(
  tx: Tx,
  inboxId: string,
  countMax: number,
): Promise<{ readonly count: number; readonly blobs: readonly string[] }> {
  const ids = await drafts.listIdsOfInbox(tx, inboxId, countMax)
  const unused: string[] = []
  for (const id of ids) unused.push(...((await drafts.remove(tx, id)) ?? []))
  return { count: ids.length, blobs: await contents.removeUnused(tx, unused) }
}
