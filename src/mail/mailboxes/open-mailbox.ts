/** One mailbox that a session has selected. */

import type { MailboxRow } from '../../store/schema/mailbox-rows.ts'
import { hasPermission } from '../access/access.ts'
import type { Actor } from '../access/actor.ts'
import type { Permission } from '../access/permissions.ts'
import type { ChangedMailbox } from './changes/lock-mailbox.ts'
import { storeFlags } from './changes/store-flags.ts'
import { type FetchedMessage, type FetchNeeds, fetchMessages, type WantedItems } from './fetch/fetch-messages.ts'
import type { FlagChange } from './projection/flag-changes.ts'
import type { InboxView, MailboxView } from './views/inbox-view.ts'
import type { Flags, MailboxSnapshot } from './views/mailbox-snapshot.ts'

export interface OpenMailbox {
  readonly name: string
  readonly uidValidity: number
  readonly mailboxId: string
  /** The login may change nothing here. */
  readonly isReadOnly: boolean
  /** Flags that may be stored here. */
  readonly permanentFlags: Flags
  readonly mayAddKeywords: boolean

  /** The newest snapshot in memory. */
  latest(): MailboxSnapshot
  /** @returns a snapshot that shows every change that was committed before the call */
  refresh(): Promise<MailboxSnapshot>
  /** Calls `listener` when `latest()` has a new snapshot; the mailbox follows its changes meanwhile. @returns stops it */
  onChange(listener: () => void): () => void
  /** @param uids ascending. Those that have vanished are left out */
  fetch(uids: readonly number[], wanted: WantedItems, signal: AbortSignal): AsyncIterable<readonly FetchedMessage[]>
  /**
   * When it resolves, `refresh()` shows the flags. UIDs that have vanished are left out.
   *
   * @returns the UIDs that `unchangedSince` left unchanged
   * @throws flag_not_allowed, missing_permission
   */
  storeFlags(
    uids: readonly number[],
    change: FlagChange,
    unchangedSince?: number,
  ): Promise<{ readonly modified: readonly number[] }>
  close(): void
}

export interface OpenMailboxNeeds extends FetchNeeds {}

const STORABLE: Flags = ['\\Answered', '\\Deleted', '\\Flagged', '\\Seen']
/** A draft is always read, and never answered. */
const STORABLE_IN_DRAFTS: Flags = ['\\Deleted', '\\Flagged']

export function openMailbox(
  needs: OpenMailboxNeeds,
  {
    actor,
    inboxView,
    view,
    row,
  }: {
    readonly actor: Actor
    readonly inboxView: InboxView
    readonly view: MailboxView
    readonly row: MailboxRow
  },
): OpenMailbox {
  const { inboxId } = inboxView
  const { hiddenMask } = view
  const changed: ChangedMailbox = { actor, inboxId, mailboxId: row.id, hiddenMask }
  const isDrafts = row.kind === 'drafts'
  const permission: Permission = isDrafts ? 'draft_update' : 'message_update'
  const isReadOnly = !hasPermission(actor, permission)
  const stops = new Set<() => void>()
  let isClosed = false

  return {
    name: row.name,
    uidValidity: row.uid_validity,
    mailboxId: row.id,
    isReadOnly,
    permanentFlags: isReadOnly ? [] : isDrafts ? STORABLE_IN_DRAFTS : STORABLE,
    mayAddKeywords: !isReadOnly,

    latest: () => view.latest(),

    async refresh() {
      await inboxView.refresh()
      return view.latest()
    },

    onChange(listener) {
      const stop = inboxView.listen(view, listener)
      stops.add(stop)
      return () => {
        stops.delete(stop)
        stop()
      }
    },

    fetch: (uids, wanted, signal) => fetchMessages(needs, { id: row.id, isDrafts, hiddenMask }, uids, wanted, signal),

    async storeFlags(uids, change, unchangedSince) {
      return storeFlags(needs, changed, { uids, change, unchangedSince })
    },

    close() {
      if (isClosed) return
      isClosed = true
      for (const stop of stops) stop()
      inboxView.close(view)
    },
  }
}
