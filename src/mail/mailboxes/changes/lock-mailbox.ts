/** What all changes of a mailbox begin with: the lock of the inbox, the permission, and entries that are up to date. */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import type { MailboxEntryRow, MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import * as mailboxesTable from '../../../store/tables/mailboxes-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import { assertKeyUnchanged, keyOf, lockInbox } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import type { Permission } from '../../access/permissions.ts'
import { catchUp } from '../catch-up/catch-up.ts'
import { createProjection, type Projection } from '../projection/mailbox-projection.ts'

/** The mailbox that a command changes, and for whom. */
export interface ChangedMailbox {
  readonly actor: Actor
  readonly inboxId: string
  readonly mailboxId: string
  /** Classes that the actor may not see. */
  readonly hiddenMask: number
  /** Brings the snapshots of this node up to date. A long command calls it now and then: all of its changes at once would take long. */
  readonly refresh?: () => Promise<void>
}

export interface LockedInbox {
  readonly inbox: InboxRow
  readonly mailboxes: readonly MailboxRow[]
  readonly projection: Projection
}

/** As lockCaughtUp, for changes whose entries may be behind. The caller checks the key. */
export async function lockMailboxes(
  tx: Tx,
  { actor, inboxId }: Pick<ChangedMailbox, 'actor' | 'inboxId'>,
  permission: Permission,
): Promise<LockedInbox> {
  const inbox = await lockInbox(tx, actor, permission, inboxId)
  const mailboxes = await mailboxesTable.listByInbox(tx, inboxId)
  return { inbox, mailboxes, projection: createProjection(mailboxes) }
}

/** Steps that a change may do itself. Normally one is enough: its caller has refreshed the mailbox. */
const STEPS_MAX = 10

/** @throws unavailable when there is much to catch up with: refresh the mailbox, and try again */
export async function lockCaughtUp(
  tx: Tx,
  { actor, inboxId }: Pick<ChangedMailbox, 'actor' | 'inboxId'>,
  permission: Permission,
  limits: Limits,
): Promise<LockedInbox> {
  await assertKeyUnchanged(tx, actor)
  const inbox = await lockInbox(tx, actor, permission, inboxId)
  for (let steps = 0; steps < STEPS_MAX; steps += 1) {
    const { isComplete, mailboxes, projection } = await catchUp(tx, inboxId, limits)
    if (isComplete) return { inbox, mailboxes, projection }
  }
  throw new MailError('unavailable', { detail: 'the mailbox is being brought up to date' })
}

/** Returns a mailbox as it is now: it may have been renamed. @throws mailbox_not_found */
export function requireNow(mailboxes: readonly MailboxRow[], { id, name }: MailboxRow): MailboxRow {
  const now = mailboxes.find((row) => row.id === id && row.is_deleting === 0)
  if (!now) throw new MailError('mailbox_not_found', { name })
  return now
}

/** Returns the entries that the actor may see, in the order of their UIDs. */
export async function entriesOf(
  tx: Tx,
  { mailboxId, hiddenMask }: ChangedMailbox,
  uids: readonly number[],
): Promise<MailboxEntryRow[]> {
  const found = await entriesTable.mapByUids(tx, mailboxId, uids)
  return uids.flatMap((uid) => {
    const entry = found.get(uid)
    return entry && (entry.hidden & hiddenMask) === 0 ? [entry] : []
  })
}

/** A message of a mailbox, as it is now. */
export interface FoundMessage {
  readonly entry: MailboxEntryRow
  readonly row: messages.StoredMessageRow
  readonly labels: readonly string[]
}

/**
 * Returns the messages of entries. Those that have left the mailbox in the same commit are left out: the events of that change have no
 * number yet, so that the entries do not show it.
 */
export async function messagesOf(
  tx: Tx,
  { projection }: Pick<LockedInbox, 'projection'>,
  entries: readonly MailboxEntryRow[],
): Promise<FoundMessage[]> {
  const ids = entries.map((entry) => entry.item_id)
  const rows = new Map((await messages.listByIds(tx, ids)).map((row) => [row.id, row]))
  const labels = await messages.labelsOf(tx, ids)
  return entries.flatMap((entry) => {
    const row = rows.get(entry.item_id)
    const own = labels.get(entry.item_id) ?? []
    return row && projection.mailboxesOf(own).includes(entry.mailbox_id) ? [{ entry, row, labels: own }] : []
  })
}

/**
 * Runs a change of many messages in transactions of some. Long commands take turns with those of other tenants.
 */
export async function inTransactions<Result>(
  { store, limits }: { readonly store: Pick<Store, 'transaction'>; readonly limits: Limits },
  { actor, refresh }: Pick<ChangedMailbox, 'actor' | 'refresh'>,
  uids: readonly number[],
  change: (tx: Tx, some: readonly number[]) => Promise<Result>,
  afterEach?: (result: Result) => Promise<void>,
): Promise<Result[]> {
  const { changeMessages, refreshMessages, refreshesMax } = limits.mailboxes
  const shownTogether = Math.max(refreshMessages, Math.ceil(uids.length / refreshesMax))
  const fairnessKey = uids.length > SHORT_MAX ? `organization ${keyOf(actor).organizationId}` : undefined
  const results: Result[] = []
  for (let at = 0; at < uids.length; at += changeMessages) {
    const some = uids.slice(at, at + changeMessages)
    const result = await store.transaction((tx) => change(tx, some), { fairnessKey })
    await afterEach?.(result)
    results.push(result)
    if (refresh && (at % shownTogether) + changeMessages >= shownTogether) await refresh()
  }
  return results
}

/** Messages of a change that is not long. */
const SHORT_MAX = 20
