/**
 * The job that deletes an inbox: first its drafts and its mail, a few at a time with a pause for other writers after each
 * transaction, then the inbox itself. The inbox has been hidden since the deletion was committed. Its address cannot be
 * used until the job has finished: a new inbox must not contain old mail.
 *
 * Crash, stop: the job runs again and continues with the rows that are left. Queued mail is still delivered.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Limits } from '../../config/limits.ts'
import type { Tx } from '../../store/handles.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import { removeUnused } from '../../store/tables/domains-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as mailboxEntries from '../../store/tables/mailbox-entries-table.ts'
import * as mailboxes from '../../store/tables/mailboxes-table.ts'
import * as notificationRules from '../../store/tables/notification-rules-table.ts'
import * as removable from '../../store/tables/removable-messages-table.ts'
import { BLOCK_KINDS, listRanges, removeBlocks } from '../../store/tables/search-index-table.ts'
import { removeSnapshots } from '../../store/tables/usage-table.ts'
import * as verifiedSenders from '../../store/tables/verified-senders-table.ts'
import type { JobHandler } from '../jobs/jobs.ts'
import type { DiscardBlobs } from '../messages/content/discard-blobs.ts'
import type { Removal } from '../messages/removal.ts'
import { removeDrafts } from '../sending/drafts/remove-drafts.ts'

interface RemoveInboxNeeds {
  readonly store: Store
  readonly removal: Removal
  readonly discardBlobs: DiscardBlobs
  readonly limits: Limits
}

export function createRemoveInbox({ store, removal, discardBlobs, limits }: RemoveInboxNeeds): JobHandler {
  return async function removeInbox({ key: inboxId, signal }) {
    for (;;) {
      signal.throwIfAborted()
      const { count, blobs } = await store.transaction(async (tx) => {
        const inbox = await inboxes.lockEvenIfDeleting(tx, inboxId)
        const drafts = await removeDrafts(tx, inboxId, limits.jobs.removalMessages)
        if (drafts.count > 0) return drafts
        const entries = await mailboxEntries.removeOfInbox(tx, inboxId, limits.jobs.removalMessages)
        if (entries > 0) return { count: entries, blobs: [] }
        const rows = await removable.listByInbox(tx, inboxId, limits.jobs.removalMessages)
        if (rows.length === 0 && inbox) await removeEmpty(tx, inbox)
        return { count: rows.length, blobs: rows.length === 0 ? [] : await removal.remove(tx, inboxId, rows) }
      })
      await discardBlobs(blobs)
      if (count === 0) return
      await delay(limits.jobs.removalPauseMs, undefined, { signal })
    }
  }
}

async function removeEmpty(tx: Tx, { id: inboxId, domain_id }: InboxRow): Promise<void> {
  // Blocks of the text index without messages: normally each was removed with its last message.
  for (const kind of BLOCK_KINDS) {
    const blocks = await listRanges(tx, inboxId, kind)
    await removeBlocks(
      tx,
      blocks.map(({ id }) => id),
    )
  }
  await removeSnapshots(tx, inboxId)
  await notificationRules.remove(tx, inboxId)
  await verifiedSenders.removeOfInbox(tx, inboxId)
  await mailboxes.removeOfInbox(tx, inboxId)
  await inboxes.remove(tx, inboxId)
  await removeUnused(tx, domain_id) // a deleted domain stays while inboxes refer to it
}
