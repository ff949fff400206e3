/**
 * Mailboxes that users create, rename and delete: labels with a mailbox. A label that gets or loses one changes where its messages
 * are, so all messages are compared again (../catch-up/), unless none has the label. RENAME and DELETE change the labels of all messages in steps; the row says what is
 * left to do.
 *
 * Crash: `finishChanges` continues when the mailboxes are next opened.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import type { MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import * as mailboxesTable from '../../../store/tables/mailboxes-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import * as placedMessages from '../../../store/tables/placed-messages-table.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import { mailboxesChanged } from '../../events/log/mailbox-events.ts'
import { isOwnLabel, type LabelChange, parseUserLabels } from '../../messages/labels/label-rules.ts'
import { changeLabels } from '../../messages/labels/labels.ts'
import { FIXED_MAILBOXES } from '../projection/mailbox-projection.ts'
import { evictionOf, labelsOfMailbox } from '../projection/placement.ts'
import { findMailbox, requireMailbox } from '../visible-mailboxes.ts'
import { type LockedInbox, lockCaughtUp } from './lock-mailbox.ts'

interface ManageNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  /** Brings the mailboxes up to date. */
  readonly refresh: () => Promise<void>
  readonly limits: Limits
}

interface Owner {
  readonly actor: Actor
  readonly inboxId: string
}

const RESERVED: ReadonlySet<string> = new Set(FIXED_MAILBOXES.map(({ name }) => name.toLowerCase()))
const SYSTEM: Actor = { kind: 'system', name: 'mailboxes' }

/** @returns the id @throws mailbox_exists, mailbox_refused, limit_exceeded, missing_permission */
export async function createMailbox(needs: ManageNeeds, owner: Owner, rawName: string): Promise<string> {
  const { name, label } = parseName(rawName, needs.limits)
  const max = needs.limits.mailboxes.perInboxMax
  return needs.store.transaction(async (tx) => {
    const locked = await lockCaughtUp(tx, owner, 'message_update', needs.limits)
    requireFree(locked.mailboxes, name, label)
    if (locked.mailboxes.length >= max + FIXED_MAILBOXES.length) {
      throw new MailError('limit_exceeded', { what: 'mailboxes of an inbox', max })
    }
    const state = (await mailboxesTable.getState(tx, owner.inboxId))!
    const validity = Math.max(state.last_uid_validity + 1, Math.floor(tx.now / 1_000))
    const row: MailboxRow = {
      ...{ id: tx.newId(), inbox_id: owner.inboxId, kind: 'label', name, label, renamed_from: null },
      ...{ is_deleting: 0, is_subscribed: 0, uid_validity: validity, uid_next: 1, created_at: tx.now },
    }
    await mailboxesTable.insertAll(tx, [row])
    await mailboxesTable.updateState(tx, owner.inboxId, { last_uid_validity: validity })
    tx.append(mailboxesChanged(locked.inbox, { isUnused: await areUnused(tx, owner.inboxId, [label]) }))
    return row.id
  })
}

/** Renames a mailbox and those below it. @throws mailbox_not_found, mailbox_exists, mailbox_refused, missing_permission */
export async function renameMailbox(needs: ManageNeeds, owner: Owner, from: string, to: string): Promise<void> {
  const target = parseName(to, needs.limits)
  await needs.store.transaction(async (tx) => {
    const { mailboxes, inbox } = await lockCaughtUp(tx, owner, 'message_update', needs.limits)
    const row = requireOwn(requireMailbox(owner.actor, mailboxes, from))
    const below = mailboxes.filter(({ name, kind }) => kind === 'label' && name.startsWith(`${row.name}/`))
    const renamed = [row, ...below]
    const labels: string[] = []
    if (renamed.some((each) => each.renamed_from !== null || each.is_deleting === 1)) {
      throw new MailError('mailbox_refused', { detail: `${row.name} is being changed; try again in a moment` })
    }
    for (const each of renamed) {
      const { name, label } = parseName(target.name + each.name.slice(row.name.length), needs.limits)
      // The name of a mailbox that is renamed with it is not free either: until this has finished, some messages still have the old label.
      requireFree(
        mailboxes.filter((other) => other !== each),
        name,
        label,
      )
      const renamed_from = label === each.label ? null : each.label
      if (renamed_from !== null) labels.push(label)
      await mailboxesTable.update(tx, each.id, { name, label, renamed_from })
    }
    // Messages with an old label stay where they are until they get the new one.
    tx.append(mailboxesChanged(inbox, { isUnused: await areUnused(tx, owner.inboxId, labels) }))
  })
  await finishChanges(needs, owner)
}

/** @throws mailbox_not_found, mailbox_refused, missing_permission */
export async function deleteMailbox(needs: ManageNeeds, owner: Owner, name: string): Promise<void> {
  await needs.store.transaction(async (tx) => {
    const { mailboxes, inbox } = await lockCaughtUp(tx, owner, 'message_update', needs.limits)
    const row = requireOwn(requireMailbox(owner.actor, mailboxes, name))
    await mailboxesTable.update(tx, row.id, { is_deleting: 1 })
    tx.append(mailboxesChanged(inbox, { isUnused: true })) // other nodes stop to list it; its messages leave it later
  })
  await finishChanges(needs, owner)
}

/** @throws mailbox_not_found, unless it is unsubscribed (RFC 9051 §6.3.8); missing_permission */
export async function setSubscribed(
  needs: ManageNeeds,
  owner: Owner,
  name: string,
  isSubscribed: boolean,
): Promise<void> {
  await needs.store.transaction(async (tx) => {
    const { mailboxes } = await lockCaughtUp(tx, owner, 'message_update', needs.limits)
    if (!isSubscribed && !findMailbox(mailboxes, name)) return
    const row = requireMailbox(owner.actor, mailboxes, name)
    await mailboxesTable.update(tx, row.id, { is_subscribed: Number(isSubscribed) })
  })
}

/** Whether a rename or deletion has not finished. */
export function isChanging({ renamed_from, is_deleting }: MailboxRow): boolean {
  return renamed_from !== null || is_deleting === 1
}

/** Does what is left of renames and deletions, in steps. Several nodes may do it at the same time. */
export async function finishChanges(needs: ManageNeeds, { actor, inboxId }: Owner): Promise<void> {
  for (const row of await mailboxesTable.listByInbox(needs.store.db, inboxId)) {
    if (!isChanging(row)) continue
    await needs.refresh()
    const { label, renamed_from } = row
    if (row.is_deleting === 1) {
      const left = labelsOfMailbox(row)
      for (const each of left) {
        await relabelAll(needs, { actor, inboxId }, each, (labels, { projection }) =>
          evictionOf(left, labels, projection),
        )
      }
      await needs.store.transaction((tx) => removeEmpty(tx, needs, inboxId, row.id))
    } else if (renamed_from !== null) {
      await relabelAll(needs, { actor, inboxId }, renamed_from, () => ({ add: [label!], remove: [renamed_from] }))
      await needs.store.transaction((tx) => endRename(tx, needs, inboxId, row))
    }
  }
}

/** Changes the labels of all messages of an inbox that have a label. */
async function relabelAll(
  { store, limits }: ManageNeeds,
  { actor, inboxId }: Owner,
  label: string,
  changeOf: (labels: readonly string[], locked: LockedInbox) => LabelChange,
): Promise<void> {
  const { compareMessages, changeMessages } = limits.mailboxes
  for (let afterNumber = 0; ; ) {
    const page = await placedMessages.listLabelledAfter(store.db, { inboxId, label, afterNumber }, compareMessages)
    const ids = page.filter(({ isLabelled }) => isLabelled).map(({ id }) => id)
    for (let at = 0; at < ids.length; at += changeMessages) {
      await store.transaction(async (tx) => {
        const locked = await lockCaughtUp(tx, { actor: SYSTEM, inboxId }, 'message_update', limits)
        const some = ids.slice(at, at + changeMessages)
        const labels = await messages.labelsOf(tx, some)
        for (const message of await messages.listByIds(tx, some)) {
          const own = labels.get(message.id) ?? []
          if (!own.includes(label)) continue
          const change = changeOf(own, locked)
          await changeLabels(tx, actorName(actor), message, locked.inbox.address, change)
        }
      })
    }
    if (page.length < compareMessages) return
    afterNumber = page.at(-1)!.number
  }
}

/** Ends a rename. A message that has got the old label meanwhile leaves the mailbox: the label is a keyword from now on. */
async function endRename(
  tx: Tx,
  { limits }: ManageNeeds,
  inboxId: string,
  { id, renamed_from }: MailboxRow,
): Promise<void> {
  const { mailboxes, inbox } = await lockCaughtUp(tx, { actor: SYSTEM, inboxId }, 'message_update', limits)
  const now = mailboxes.find((row) => row.id === id)
  if (renamed_from === null || now?.renamed_from !== renamed_from) return // another node has ended it
  await mailboxesTable.update(tx, id, { renamed_from: null })
  tx.append(mailboxesChanged(inbox, { isUnused: await areUnused(tx, inboxId, [renamed_from]) }))
}

/** Removes a mailbox that is being deleted, unless a message has got its label meanwhile: then a later call removes it. */
async function removeEmpty(tx: Tx, { limits }: ManageNeeds, inboxId: string, id: string): Promise<void> {
  const { mailboxes, inbox } = await lockCaughtUp(tx, { actor: SYSTEM, inboxId }, 'message_update', limits)
  const removed = mailboxes.find((row) => row.id === id)
  if (!removed) return
  if ((await entriesTable.listAfter(tx, id, 0, 1)).length > 0) return
  await mailboxesTable.remove(tx, id)
  tx.append(mailboxesChanged(inbox, { isUnused: await areUnused(tx, inboxId, labelsOfMailbox(removed)) }))
}

async function areUnused(tx: Tx, inboxId: string, labels: readonly string[]): Promise<boolean> {
  for (const label of labels) if (await placedMessages.mayHaveLabel(tx, inboxId, label)) return false
  return true
}

/** @throws mailbox_refused for a fixed mailbox. INBOX too may be refused (RFC 9051 §6.3.6) */
function requireOwn(row: MailboxRow): MailboxRow {
  if (row.kind === 'label') return row
  throw new MailError('mailbox_refused', { detail: `${row.name} cannot be renamed or deleted` })
}

/** @throws mailbox_exists */
function requireFree(rows: readonly MailboxRow[], name: string, label: string): void {
  const isTaken = rows.some((row) => row.name === name || row.label === label || row.renamed_from === label)
  if (isTaken || RESERVED.has(label) || !isOwnLabel(label)) throw new MailError('mailbox_exists', { name })
}

/** @throws mailbox_refused */
function parseName(rawName: string, limits: Limits): { name: string; label: string } {
  // RFC 9051 §6.3.4: a separator at the end says that others will be below it.
  const name = rawName.replace(/\/$/, '').trim().normalize('NFC')
  const levels = name.split('/')
  const isWellFormed = levels.every((level) => level.trim() !== '') && !/[\p{Cc}\p{Surrogate}%*]/u.test(name)
  const max = Math.min(limits.mailboxes.nameCharsMax, limits.messages.labelCharsMax)
  if (!isWellFormed || name.length > max) {
    const detail = `The name of a mailbox has 1 to ${max} characters, no empty level, and none of % and *`
    throw new MailError('mailbox_refused', { detail })
  }
  const label = name.toLowerCase()
  // A label of the system or of a state has no form that a user may set.
  if (isOwnLabel(label)) parseUserLabels([label], limits)
  return { name, label }
}
