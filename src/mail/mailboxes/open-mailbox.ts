/** One mailbox that a session has selected. */
import { MailError } from '../../errors.ts'
import type { MailboxRow } from '../../store/schema/mailbox-rows.ts'
import type { Store } from '../../store/store.ts'
import * as entriesTable from '../../store/tables/mailbox-entries-table.ts'
import { hasPermission } from '../access/access.ts'
import type { Actor } from '../access/actor.ts'
import type { Permission } from '../access/permissions.ts'
import type { Turn } from '../jobs/turn-queue.ts'
import { type ExpungeNeeds, expunge } from './changes/expunge.ts'
import type { ChangedMailbox } from './changes/lock-mailbox.ts'
import { moveMessages } from './changes/move-messages.ts'
import { storeFlags } from './changes/store-flags.ts'
import { type FetchedMessage, type FetchNeeds, fetchMessages, type WantedItems } from './fetch/fetch-messages.ts'
import { type FlagChange, keywordsOf } from './projection/flag-changes.ts'
import { type MailboxSearch, searchMailbox } from './search/search-mailbox.ts'
import type { SearchNeeds } from './search/search-reader.ts'
import { type Flags, keywordsIn } from './views/flag-sets.ts'
import type { InboxView, MailboxView } from './views/inbox-view.ts'
import { indexOfUid, type MailboxSnapshot } from './views/mailbox-snapshot.ts'
import { missingFrom, rangesOf, type UidRange } from './views/vanished-uids.ts'
import { requireMailbox } from './visible-mailboxes.ts'

export interface OpenMailbox {
  readonly name: string
  readonly uidValidity: number
  readonly mailboxId: string
  /** The login may change nothing here. */
  readonly isReadOnly: boolean
  /** System flags that may be stored here. */
  readonly permanentFlags: Flags
  /** Whether the mailbox may have more keywords now. */
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
   * @throws flag_not_allowed, missing_permission, limit_exceeded for more keywords than a mailbox may have
   */
  storeFlags(
    uids: readonly number[],
    change: FlagChange,
    unchangedSince?: number,
  ): Promise<{ readonly modified: readonly number[] }>
  /** COPY or MOVE. UIDs that have vanished are left out. @throws mailbox_not_found, mailbox_refused, missing_permission */
  moveTo(target: string, uids: readonly number[], isMove: boolean): Promise<MovedMessages>
  /**
   * Removes the messages that have \Deleted, of those in `uids` if it is given.
   *
   * @throws missing_permission, draft_sending
   */
  expunge(uids?: readonly number[]): Promise<void>
  /** UIDs that vanished after `modseq`, in `known`; perhaps others that are missing, if the store no longer knows. */
  vanishedSince(modseq: number, known: readonly UidRange[]): Promise<readonly UidRange[]>
  /** @returns ascending UIDs of messages in the snapshot @throws search_too_costly */
  search(search: MailboxSearch, signal: AbortSignal): Promise<readonly number[]>
  /** The bytes of all messages together, and of those with \Deleted. */
  sizes(): Promise<{ readonly sizeBytes: number; readonly deletedBytes: number }>
  close(): void
}

export interface MovedMessages {
  readonly uidValidity: number
  /** UIDs in the source and in the target, in the same order. */
  readonly from: readonly number[]
  readonly to: readonly number[]
}

export interface OpenMailboxNeeds extends FetchNeeds, ExpungeNeeds, SearchNeeds {
  readonly store: Store
}

const STORABLE: Flags = ['\\Answered', '\\Deleted', '\\Flagged', '\\Seen']
/** A draft is always read, and never answered. */
const STORABLE_IN_DRAFTS: Flags = ['\\Deleted', '\\Flagged']
/** Ids in one statement. */
const ITEMS_AT_ONCE = 200

export function openMailbox(
  needs: OpenMailboxNeeds,
  opened: {
    readonly actor: Actor
    readonly inboxView: InboxView
    readonly view: MailboxView
    readonly row: MailboxRow
    /** The pod of the inbox: pods take turns to have large messages read. */
    readonly turn: Turn
  },
): OpenMailbox {
  const { actor, inboxView, view, row, turn } = opened
  const { hiddenMask } = view
  const changed: ChangedMailbox = {
    ...{ actor, inboxId: inboxView.inboxId, mailboxId: row.id, hiddenMask },
    refresh: () => inboxView.refresh(),
  }
  const isDrafts = row.kind === 'drafts'
  const permission: Permission = isDrafts ? 'draft_update' : 'message_update'
  const isReadOnly = !hasPermission(actor, permission)
  const { keywordsMax } = needs.limits.mailboxes
  const stops = new Set<() => void>()
  let isClosed = false

  return {
    name: row.name,
    uidValidity: row.uid_validity,
    mailboxId: row.id,
    isReadOnly,
    permanentFlags: isReadOnly ? [] : isDrafts ? STORABLE_IN_DRAFTS : STORABLE,
    get mayAddKeywords() {
      return !isReadOnly && keywordsIn(view.latest().flags).size < keywordsMax
    },

    latest: () => view.latest(),
    refresh,

    onChange(listener) {
      const stop = inboxView.listen(view, listener)
      stops.add(stop)
      return () => {
        stops.delete(stop)
        stop()
      }
    },

    fetch: (uids, wanted, signal) =>
      fetchMessages(needs, { id: row.id, isDrafts, hiddenMask, turn }, uids, wanted, signal),

    async storeFlags(uids, change, unchangedSince) {
      await inboxView.refresh()
      const added = change.how === 'remove' ? [] : keywordsOf(change.flags)
      if (!(await inboxView.hasSpaceFor(row.id, added))) {
        throw new MailError('limit_exceeded', { what: 'keywords of a mailbox', max: keywordsMax })
      }
      return storeFlags(needs, changed, { row, uids, change, unchangedSince })
    },

    async moveTo(targetName, uids, isMove) {
      await inboxView.refresh()
      const target = requireMailbox(actor, inboxView.known.rows, targetName)
      // Some programs delete drafts by moving them to Trash. Trash contains messages, and a draft is none, so it is deleted.
      if (isDrafts && isMove && target.kind === 'trash') {
        await expunge(needs, changed, { row, uids, isForced: true })
        return { uidValidity: target.uid_validity, from: [], to: [] }
      }
      const moved = await moveMessages(needs, changed, { source: row, target, isMove, uids })
      await inboxView.refresh()
      return findIn(target, moved)
    },

    async expunge(uids) {
      const { flags, uids: all } = await refresh()
      const isMarked = (index: number | undefined) => index !== undefined && flags[index]!.includes('\\Deleted')
      const marked = uids
        ? uids.filter((uid) => isMarked(indexOfUid(all, uid)))
        : Array.from(all).filter((_uid, index) => isMarked(index))
      if (marked.length > 0) await expunge(needs, changed, { row, uids: marked })
    },

    async vanishedSince(modseq, known) {
      const { uids, uidNext } = await refresh()
      const vanished = await entriesTable.listVanished(needs.store.db, row.id, modseq)
      return vanished.isComplete ? rangesOf(vanished.uids, known) : missingFrom(uids, uidNext, known)
    },

    search: (search, signal) =>
      searchMailbox(needs, { id: row.id, inboxId: inboxView.inboxId, isDrafts, hiddenMask, turn }, search, signal),

    sizes: () => entriesTable.sizesOf(needs.store.db, row.id, hiddenMask),

    close() {
      if (isClosed) return
      isClosed = true
      for (const stop of stops) stop()
      inboxView.close(view)
    },
  }

  async function refresh(): Promise<MailboxSnapshot> {
    await inboxView.refresh()
    return view.latest()
  }

  /** Finds the UIDs that the messages have in the target now. One that has left it again is left out. */
  async function findIn(
    target: MailboxRow,
    moved: readonly { readonly uid: number; readonly messageId: string }[],
  ): Promise<MovedMessages> {
    const uidOf = new Map<string, number>()
    for (let at = 0; at < moved.length; at += ITEMS_AT_ONCE) {
      const ids = moved.slice(at, at + ITEMS_AT_ONCE).map(({ messageId }) => messageId)
      for (const entry of await entriesTable.listByItems(needs.store.db, ids)) {
        if (entry.mailbox_id === target.id) uidOf.set(entry.item_id, entry.uid)
      }
    }
    const found = moved.filter(({ messageId }) => uidOf.has(messageId))
    return {
      uidValidity: target.uid_validity,
      from: found.map(({ uid }) => uid),
      to: found.map(({ messageId }) => uidOf.get(messageId)!),
    }
  }
}
