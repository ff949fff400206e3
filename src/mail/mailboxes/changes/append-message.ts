/**
 * APPEND: a message that a mail program has becomes one of the inbox. It was neither received nor sent: no sender is verified, and it
 * has an event of its own (`message.appended`).
 *
 *   size and quota → spool and parse (prepareContent) → file with its entry, in one transaction for several messages
 *
 * It is always a new message, except in Sent: mail programs append there what they have just sent through submission, and the inbox has that
 * already. It is the same message if Message-ID and content are the same: a program that sends an encrypted message, and saves it in clear text
 * under the same Message-ID, keeps both. sending/compose/file-sent.ts handles a program that appends before it sends.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import type { EntryKey, Tx } from '../../../store/handles.ts'
import type { MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import * as mailboxesTable from '../../../store/tables/mailboxes-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import * as placedMessages from '../../../store/tables/placed-messages-table.ts'
import { assertKeysUnchanged, requireCovered, requireInbox } from '../../access/access.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import { hiddenMask } from '../../access/permissions.ts'
import { messageAppended } from '../../events/log/message-events.ts'
import { turnOf } from '../../jobs/turn-queue.ts'
import type { PrepareContent, PreparedContent } from '../../messages/content/prepared-content.ts'
import { rowsOfContent, rowsOfFiling } from '../../messages/estimated-rows.ts'
import type { FiledMessage, FileMessages, Filing } from '../../messages/filing/filing.ts'
import { FLAGGED, REPLIED } from '../../messages/labels/label-rules.ts'
import { hashId } from '../../messages/threads/threading.ts'
import { isInboxFull } from '../../receiving/policy/inbox-quota.ts'
import type { AppendDraft } from '../../sending/drafts/append-draft.ts'
import { EntryChanges } from '../catch-up/entry-changes.ts'
import { type CheckedFlags, storableFlags } from '../projection/flag-changes.ts'
import { createProjection, type Projection } from '../projection/mailbox-projection.ts'
import { placementOf } from '../projection/placement.ts'
import { type LockedInbox, lockMailboxes, requireNow } from './lock-mailbox.ts'

export interface AppendedMessage {
  readonly flags: readonly string[]
  /** Epoch ms; undefined: now. */
  readonly internalDate: number | undefined
  readonly sizeBytes: number
  readonly data: AsyncIterable<Buffer>
}

export interface AppendNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'inboxBytesMax' | 'inboxMessagesMax' | 'messageBytesMax' | 'limits'>
  readonly prepareContent: PrepareContent
  readonly fileMessages: FileMessages
  readonly appendDraft: AppendDraft
}

interface Owner {
  readonly actor: Actor
  readonly inboxId: string
}

/** The result of an APPEND. */
export interface Appended {
  /** The id of its row, or of the row of the same message that the inbox had. */
  readonly id: string
  /** Its UID; undefined: its entry is made by the next refresh, or exists already. */
  readonly uid?: number
  /** Flags that are to be stored with its entry. */
  readonly flags: readonly string[]
}

interface Filed extends Appended {
  /** The inbox had the message already: its bytes are not needed. */
  readonly isKnown: boolean
}

/** A message that a transaction can file. */
interface Prepared {
  readonly owner: Owner
  readonly target: MailboxRow
  readonly message: AppendedMessage
  readonly content: PreparedContent
}

/** @throws message_too_large, inbox_full, mailbox_refused, missing_permission: before it reads `data`, if it can know */
export type AppendMessage = (owner: Owner, target: MailboxRow, message: AppendedMessage) => Promise<Appended>

/** Messages that arrive at the same time are filed together, as received mail is (docs/adr/0039). */
export function createAppendMessage(needs: AppendNeeds): AppendMessage {
  const { store, config, prepareContent } = needs
  const { limits } = config
  const fileTogether = store.batched<Prepared, Filed>({
    run: (tx, batch) => fileBatch(tx, needs, batch),
    sizeBytes: ({ content }) => content.sizeBytes,
  })

  return async function appendMessage(owner, target, message) {
    const inbox = await requireInbox(store.db, owner.actor, 'message_update', owner.inboxId)
    store.checkWritable()
    checkSize(inbox, config, message.sizeBytes)
    const turn = turnOf({ organizationId: inbox.organization_id, podId: inbox.pod_id })
    const content = await prepareContent({
      ...turn,
      raw: { head: Buffer.alloc(0), chunks: message.data },
      bytesMax: config.messageBytesMax,
      findsCodes: false, // programs append old mail, of which no agent waits for a code
    })
    try {
      const prepared = { owner, target, message, content }
      const { parsed } = content
      const isLong = rowsOfContent(parsed) + rowsOfFiling(parsed, limits) > limits.messages.shortFilingRowsMax
      // In Sent, a message may be one that another of the batch files.
      const isAlone = target.kind === 'sent'
      const appended = await fileTogether(prepared, { isAlone, fairnessKey: isLong ? turn.fairnessKey : undefined })
      if (appended.isKnown) await content.discard()
      return appended
    } catch (error) {
      await content.discard(error)
      throw error
    }
  }
}

/**
 * APPEND into Drafts: a draft of the API, or a new revision of one (sending/drafts/append-draft.ts).
 *
 * @throws as AppendDraft
 */
export async function appendToDrafts(
  { store, config, appendDraft }: AppendNeeds,
  { actor, inboxId }: Owner,
  message: AppendedMessage,
): Promise<Appended> {
  const inbox = await requireInbox(store.db, actor, 'message_read', inboxId)
  checkSize(inbox, config, message.sizeBytes)
  const id = await appendDraft(actor, inboxId, message.data)
  const projection = createProjection(await mailboxesTable.listByInbox(store.db, inboxId))
  const { isFlagged, isDeleted, labels } = storableFlags(message.flags, projection, config.limits)
  return { id, flags: flagsIn({ isFlagged, isDeleted, labels }) }
}

/** Flags to add to a message that exists. */
function flagsIn({ isFlagged, isDeleted, labels }: Pick<CheckedFlags, 'isFlagged' | 'isDeleted' | 'labels'>): string[] {
  return [...(isFlagged ? ['\\Flagged'] : []), ...(isDeleted ? ['\\Deleted'] : []), ...labels]
}

/** What a batch changes in one inbox. */
interface Batched extends LockedInbox {
  readonly changes: EntryChanges
  addedBytes: number
  addedCount: number
}

/** A message of a batch that is new to its inbox. */
interface ToFile {
  readonly prepared: Prepared
  readonly inbox: Batched
  readonly flags: CheckedFlags
  readonly labels: readonly string[]
}

async function fileBatch(tx: Tx, { config, fileMessages }: AppendNeeds, batch: readonly Prepared[]): Promise<Filed[]> {
  const inboxes = await lockAll(tx, batch)
  const results = new Map<Prepared, Filed>()
  const toFile: ToFile[] = []
  for (const prepared of batch) {
    const plan = await planOne(tx, config, prepared, inboxes.get(prepared.owner.inboxId)!)
    if ('isKnown' in plan) results.set(prepared, plan)
    else toFile.push(plan)
  }
  const filed = toFile.length > 0 ? await fileMessages(tx, toFile.map(filingOf)) : []
  for (const [index, one] of filed.entries()) {
    if (one.existing) throw new Error('an appended message was not filed')
    const { prepared } = toFile[index]!
    const entries = addEntries(tx, toFile[index]!, one.id)
    appendEvent(tx, toFile[index]!, one, entries)
    const uid = entries.find(({ mailbox_id }) => mailbox_id === prepared.target.id)?.uid
    results.set(prepared, { id: one.id, ...(uid !== undefined && { uid }), flags: [], isKnown: false })
  }
  for (const { changes } of inboxes.values()) await changes.write(tx)
  return batch.map((prepared) => results.get(prepared)!)
}

/** @returns what to file, or the message that the inbox has @throws mailbox_not_found, message_too_large, inbox_full */
async function planOne(
  tx: Tx,
  config: AppendNeeds['config'],
  prepared: Prepared,
  locked: Batched,
): Promise<ToFile | Filed> {
  const { message, content } = prepared
  const { inbox, mailboxes, projection } = locked
  const size_bytes = inbox.size_bytes + locked.addedBytes
  const message_count = inbox.message_count + locked.addedCount
  checkSize({ ...inbox, size_bytes, message_count }, config, message.sizeBytes)
  const target = requireNow(mailboxes, prepared.target)
  const flags = storableFlags(message.flags, projection, config.limits)
  if (target.kind === 'sent') {
    const id = await findSent(tx, inbox.id, target, content.parsed, projection)
    if (id !== undefined) return { id, flags: flagsIn(flags), isKnown: true }
  }
  locked.addedBytes += content.mailBytes
  locked.addedCount += 1
  return { prepared, inbox: locked, flags, labels: labelsIn(target, flags) }
}

function filingOf({ prepared: { target, content, message }, inbox: { inbox }, labels }: ToFile): Filing {
  const isSent = target.kind === 'sent'
  const [sender] = content.parsed.from
  return {
    ...{ inbox, content, labels, isCopy: true, authentication: { result: isSent ? 'own' : 'unauthenticated' } },
    ...(!isSent && { envelope: { sender: sender?.address ?? '', recipient: inbox.address } }),
    internalDate: message.internalDate,
  }
}

/**
 * Adds the entries of a new message at once, so that APPEND knows its UID without following the log. Messages of events that were not
 * followed yet get higher UIDs.
 *
 * @returns their keys, for the event that numbers them
 */
function addEntries(
  tx: Tx,
  { prepared: { content }, inbox: { projection, changes }, flags: { isDeleted }, labels }: ToFile,
  id: string,
): EntryKey[] {
  const item = { item_kind: 'message', item_id: id, size_bytes: content.mailBytes } as const
  const flags = { flags: projection.flagsOf(labels), hidden: hiddenMask(labels), is_deleted: Number(isDeleted) }
  return projection.mailboxesOf(labels).map((mailbox_id) => {
    const uid = changes.add({ mailbox_id, ...item, ...flags, modseq: entriesTable.UNNUMBERED, saved_at: tx.now })
    return { mailbox_id, uid }
  })
}

function appendEvent(
  tx: Tx,
  { prepared, inbox: { inbox }, labels }: ToFile,
  { id, threadId, messageId }: FiledMessage,
  entries: readonly EntryKey[],
): void {
  const message = {
    ...{ id, threadId, messageId, labels, inboxId: inbox.id, inboxAddress: inbox.address },
    ...{ organizationId: inbox.organization_id, podId: inbox.pod_id },
  }
  tx.append(messageAppended({ actor: actorName(prepared.owner.actor), message, timestamp: tx.now, entries }))
}

/** @throws not_found, missing_permission, unknown_api_key, forbidden */
async function lockAll(tx: Tx, batch: readonly Prepared[]): Promise<Map<string, Batched>> {
  const actors = new Set(batch.map(({ owner }) => owner.actor))
  await assertKeysUnchanged(tx, [...actors])
  const locked = new Map<string, Batched>()
  // In the order of their ids (Tx.forUpdate).
  for (const { owner } of batch.toSorted((a, b) => (a.owner.inboxId < b.owner.inboxId ? -1 : 1))) {
    const { inboxId, actor } = owner
    const before = locked.get(inboxId)
    if (before) requireCovered(actor, before.inbox, 'message_update')
    else {
      const one = await lockMailboxes(tx, owner, 'message_update')
      locked.set(inboxId, { ...one, changes: new EntryChanges(one.mailboxes), addedBytes: 0, addedCount: 0 })
    }
  }
  return locked
}

/** Received mail and appended mail have one label, so that a message can be moved to INBOX later. */
function labelsIn(target: MailboxRow, flags: CheckedFlags): string[] {
  const base = target.kind === 'sent' ? 'sent' : 'received'
  const { add = [] } = placementOf({ source: target, target, isMove: false }, [base], { isRegistered: () => false })
  const set = [
    ...(flags.isSeen ? [] : ['unread']),
    ...(flags.isAnswered ? [REPLIED] : []),
    ...(flags.isFlagged ? [FLAGGED] : []),
  ]
  return [...new Set([base, ...add, ...set, ...flags.labels])].sort()
}

/** Returns the id of the message in Sent that is the same. */
async function findSent(
  tx: Tx,
  inboxId: string,
  sent: MailboxRow,
  { messageId, fingerprint }: PreparedContent['parsed'],
  projection: Projection,
): Promise<string | undefined> {
  if (messageId === undefined) return undefined
  const same = await placedMessages.listOwn(tx, { inboxId, idHash: hashId(messageId), fingerprint })
  const ids = same.filter(({ hidden }) => hidden === 0).map(({ id }) => id)
  const labels = await messages.labelsOf(tx, ids)
  return ids.find((id) => projection.mailboxesOf(labels.get(id) ?? []).includes(sent.id))
}

/** @throws message_too_large, inbox_full */
function checkSize(inbox: InboxRow, config: AppendNeeds['config'], sizeBytes: number): void {
  if (sizeBytes > config.messageBytesMax) {
    throw new MailError('message_too_large', { limitBytes: config.messageBytesMax })
  }
  if (isInboxFull(inbox, config, sizeBytes)) throw new MailError('inbox_full', { address: inbox.address })
}
