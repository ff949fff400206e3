/**
 * Deletes the messages that are older than their inbox keeps them, each with its event, a few at a time. An inbox has its own number
 * of days, or that of the setting. Mail that waits in the queue is still delivered.
 *
 * Runs as a sweep, on all nodes: each locks the inbox before it reads what to delete. Crash, stop: the next run continues. An inbox
 * that fails does not stop the others; the run fails at its end.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { DAY } from '../../config/limits/limit.ts'
import type { Limits } from '../../config/limits.ts'
import type { Config } from '../../config/settings.ts'
import type { Store } from '../../store/store.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as removable from '../../store/tables/removable-messages-table.ts'
import { messageExpired } from '../events/log/message-events.ts'
import type { DiscardBlobs } from '../messages/content/discard-blobs.ts'
import type { Removal } from '../messages/removal.ts'

interface ExpireNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'retentionDays'>
  readonly removal: Removal
  readonly discardBlobs: DiscardBlobs
  /** Epoch ms. */
  readonly clock: () => number
  readonly limits: Limits
}

const ACTOR = 'system:retention'

export async function expireMessages(needs: ExpireNeeds, signal: AbortSignal): Promise<void> {
  const { store, config, clock, limits } = needs
  let failed = 0
  let firstFailure: unknown
  let afterId = ''
  for (;;) {
    const some = await inboxes.listRetained(
      store.db,
      { isOwnOnly: config.retentionDays === 0, afterId },
      limits.policy.retentionInboxes,
    )
    for (const { id, retention_days } of some) {
      const days = retention_days ?? config.retentionDays
      if (days > 0) {
        const before = clock() - days * DAY
        await expireInbox(needs, id, before, signal).catch((cause) => {
          failed++
          firstFailure ??= new Error(`messages of inbox ${id} could not be deleted`, { cause })
        })
      }
      signal.throwIfAborted()
    }
    const last = some.at(-1)
    if (!last) break
    afterId = last.id
  }
  // The sweep logs and counts it, and runs again.
  if (failed > 0) throw new Error(`messages are kept too long; inboxes: ${failed}`, { cause: firstFailure })
}

async function expireInbox(needs: ExpireNeeds, inboxId: string, before: number, signal: AbortSignal): Promise<void> {
  const { store, removal, discardBlobs, limits } = needs
  const limit = limits.jobs.removalMessages
  // Most inboxes have nothing to delete: a read costs no transaction.
  while ((await removable.listOlder(store.db, inboxId, before, 1)).length > 0) {
    signal.throwIfAborted()
    const blobs = await store.transaction(async (tx) => {
      const inbox = await inboxes.lockById(tx, inboxId)
      const rows = inbox ? await removable.listOlder(tx, inboxId, before, limit) : []
      if (!inbox || rows.length === 0) return []
      return removal.remove(tx, inboxId, rows, {
        inboxAddress: inbox.address,
        eventOf: (message) => messageExpired({ actor: ACTOR, message, timestamp: tx.now }),
      })
    })
    await discardBlobs(blobs)
    await delay(limits.jobs.removalPauseMs, undefined, { signal })
  }
}
