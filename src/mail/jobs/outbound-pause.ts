/**
 * The pause of outbound mail and webhooks, for all nodes: a server restored from a backup must not send again what the
 * original has sent since. Mail to inboxes of this server is delivered all the same, and everything else works.
 *
 * The pause is a row in the database, so it survives restarts. Workers ask before they claim work; an attempt that runs
 * already is not stopped.
 */
import type { Store } from '../../store/store.ts'
import * as mailboxes from '../../store/tables/mailboxes-table.ts'
import * as outboundPause from '../../store/tables/outbound-pause-table.ts'
import { requireRootKey } from '../access/access.ts'
import type { Actor } from '../access/actor.ts'

export interface OutboundPause {
  /** Returns when outbound mail and webhooks were paused, epoch ms; undefined while they run. */
  since(): Promise<number | undefined>
  isPaused(): Promise<boolean>
  /** Pauses them: this database was restored. UIDs that were given since the backup mean other messages now. */
  begin(): Promise<void>
  /**
   * Ends the pause. The root key only: it concerns all organizations.
   *
   * @returns whether there was a pause
   * @throws narrow_key
   */
  end(actor: Actor): Promise<boolean>
  /** Calls the listener after this node has ended a pause. Other nodes notice it at their next poll. */
  onEnd(listener: () => void): void
}

export function createOutboundPause({ store }: { readonly store: Store }): OutboundPause {
  const listeners: (() => void)[] = []
  const since = () => outboundPause.getPausedAt(store.db)

  return {
    since,
    isPaused: async () => (await since()) !== undefined,
    begin: () =>
      store.transaction(async (tx) => {
        await outboundPause.insert(tx)
        await mailboxes.raiseUidValidity(tx)
      }),

    async end(actor) {
      const wasPaused = await store.transaction(async (tx) => {
        await requireRootKey(tx, actor)
        return outboundPause.remove(tx)
      })
      for (const listener of listeners) listener()
      return wasPaused
    },

    onEnd: (listener) => void listeners.push(listener),
  }
}
