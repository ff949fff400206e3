/**
 * APPEND: a message that a mail program has becomes one of the inbox. It was neither received nor sent: no sender is verified, and it
 * has an event of its own (`message.appended`).
 *
 *   size and quota → spool and parse (prepareContent) → file, in one transaction
 *
 * It is always a new message, except in Sent: mail programs append there what they have just sent through submission, and the inbox has that
 * already.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import type { MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as mailboxesTable from '../../../store/tables/mailboxes-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import * as placedMessages from '../../../store/tables/placed-messages-table.ts'
import { requireInbox } from '../../access/access.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import { messageAppended } from '../../events/log/message-events.ts'
import { turnOf } from '../../jobs/turn-queue.ts'
import type { PrepareContent, PreparedContent } from '../../messages/content/prepared-content.ts'
import type { FileMessages } from '../../messages/filing/filing.ts'
import { FLAGGED, REPLIED } from '../../messages/labels/label-rules.ts'
import { hashId } from '../../messages/threads/threading.ts'
import { isInboxFull } from '../../receiving/policy/inbox-quota.ts'
import type { AppendDraft } from '../../sending/drafts/append-draft.ts'
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

/** What became of it. */
export interface Appended {
  /** The id of its row, or of that which the inbox had. */
  readonly id: string
  /** Flags that are stored with its entry. */
  readonly flags: readonly string[]
}

/** @throws message_too_large, inbox_full, mailbox_refused, missing_permission: before it reads `data`, if it can know */
export async function appendMessage(
  needs: AppendNeeds,
  { actor, inboxId }: Owner,
  target: MailboxRow,
  message: AppendedMessage,
): Promise<Appended> {
  const { store, config, prepareContent } = needs
  const inbox = await requireInbox(store.db, actor, 'message_update', inboxId)
  store.checkWritable()
  checkSize(inbox, config, message.sizeBytes)
  const content = await prepareContent({
    ...turnOf({ organizationId: inbox.organization_id, podId: inbox.pod_id }),
    raw: { head: Buffer.alloc(0), chunks: message.data },
    bytesMax: config.messageBytesMax,
  })
  try {
    const appended = await store.transaction(async (tx) => {
      const locked = await lockMailboxes(tx, { actor, inboxId }, 'message_update')
      checkSize(locked.inbox, config, message.sizeBytes)
      return file(tx, needs, locked, { actor, target, message, content })
    })
    if (appended.isKnown) await content.discard()
    return appended
  } catch (error) {
    await content.discard(error)
    throw error
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

interface ToFile {
  readonly actor: Actor
  readonly target: MailboxRow
  readonly message: AppendedMessage
  readonly content: PreparedContent
}

async function file(
  tx: Tx,
  { config, fileMessages }: AppendNeeds,
  { inbox, mailboxes, projection }: LockedInbox,
  { actor, target: known, message, content }: ToFile,
): Promise<Appended & { readonly isKnown: boolean }> {
  const target = requireNow(mailboxes, known)
  const flags = storableFlags(message.flags, projection, config.limits)
  const own =
    target.kind === 'sent' ? await findSent(tx, inbox.id, target, content.parsed.messageId, projection) : undefined
  if (own !== undefined) return { id: own, flags: flagsIn(flags), isKnown: true }
  const isSent = target.kind === 'sent'
  const [sender] = content.parsed.from
  const labels = labelsIn(target, flags)
  const [filed] = await fileMessages(tx, [
    {
      ...{ inbox, content, labels, isCopy: true, authentication: { result: isSent ? 'own' : 'unauthenticated' } },
      ...(!isSent && { envelope: { sender: sender?.address ?? '', recipient: inbox.address } }),
      internalDate: message.internalDate,
    },
  ])
  if (!filed || filed.existing) throw new Error('an appended message was not filed')
  const { id, threadId, messageId } = filed
  const about = {
    ...{ id, threadId, messageId, labels, inboxId: inbox.id, inboxAddress: inbox.address },
    ...{ organizationId: inbox.organization_id, podId: inbox.pod_id },
  }
  tx.append(messageAppended({ actor: actorName(actor), message: about, timestamp: tx.now }))
  // It belongs to the entry, which does not exist yet.
  return { id, flags: flags.isDeleted ? ['\\Deleted'] : [], isKnown: false }
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

/** Returns the id of the message in Sent with this Message-ID. */
async function findSent(
  tx: Tx,
  inboxId: string,
  sent: MailboxRow,
  messageId: string | undefined,
  projection: Projection,
): Promise<string | undefined> {
  if (messageId === undefined) return undefined
  const id = await placedMessages.findLabelled(tx, { inboxId, idHash: hashId(messageId), label: 'sent' })
  const labels = id === undefined ? undefined : (await messages.labelsOf(tx, [id])).get(id)
  return labels && projection.mailboxesOf(labels).includes(sent.id) ? id : undefined
}

/** @throws message_too_large, inbox_full */
function checkSize(inbox: InboxRow, config: AppendNeeds['config'], sizeBytes: number): void {
  if (sizeBytes > config.messageBytesMax) {
    throw new MailError('message_too_large', { limitBytes: config.messageBytesMax })
  }
  if (isInboxFull(inbox, config, sizeBytes)) throw new MailError('inbox_full', { address: inbox.address })
}
