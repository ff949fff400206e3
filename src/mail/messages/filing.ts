/**
 * Files an email as a message of an inbox, for receiving and for the sent copy. It writes all that changes together:
 * message, labels, addresses, thread, participants, text index, counters and hourly counts. The caller's transaction
 * also appends the event.
 */

import type { Limits } from '../../config/limits.ts'
import type { Address } from '../../formats/address/address.ts'
import type { Tx } from '../../store/handles.ts'
import type { ThreadRow } from '../../store/schema/message-rows.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import { insertBcc } from '../../store/tables/addresses-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as messages from '../../store/tables/messages-table.ts'
import * as rollups from '../../store/tables/rollups-table.ts'
import type { ThreadParticipant } from '../../store/tables/threads-table.ts'
import * as threads from '../../store/tables/threads-table.ts'
import { hiddenMask } from '../access/permissions.ts'
import type { ThreadSnapshot } from '../events/log/message-events.ts'
import type { StoredContent } from './content/insert-content.ts'
import { bccAddresses, headerAddresses, participantsOfMessage } from './content/mail-addresses.ts'
import type { ParsedMail } from './content/parsed-message.ts'
import { findThread, hashId, referenceHashes } from './threads/threading.ts'

/** An email about to be filed in one inbox. */
export interface Filing {
  readonly inbox: InboxRow
  readonly content: StoredContent
  readonly parsedMail: ParsedMail
  readonly labels: readonly string[]
  /** Unique in the inbox: the caller ensures it. */
  readonly apiMessageId: string
  /** In no header: only the sender may see these. */
  readonly bcc?: readonly Address[]
  /** The thread to add it to, whatever it refers to: a forward stays in the thread of its source. */
  readonly threadId?: string | undefined
  readonly envelope?: { readonly sender: string; readonly recipient: string }
  readonly authentication: Readonly<Record<string, unknown>>
  readonly verifiedDomain?: string | undefined
  /** Name of the hourly count to increase, for example "received". */
  readonly metric: string
}

export interface Filed {
  readonly id: string
  readonly threadId: string
  /** The new thread, if this message is its first: known without a query. */
  readonly newThread?: ThreadSnapshot
}

interface FilingNeeds extends Pick<Store, 'adapter'> {
  readonly limits: Limits
}

export function createFiling({ adapter, limits }: FilingNeeds): (tx: Tx, filing: Filing) => Promise<Filed> {
  return async function fileMessage(tx, filing) {
    const { inbox, parsedMail } = filing
    const id = tx.newId()
    const hidden = hiddenMask(filing.labels)
    const bcc = bccAddresses(filing.bcc ?? [])
    const addresses = [...headerAddresses(parsedMail), ...bcc]
    const everyone = participantsOfMessage(addresses, limits.messages.participantsMax)
    const thread = await joinThread(tx, filing, everyone, hidden)

    const number = await messages.insert(tx, messageRow(tx, id, thread.id, hidden, filing), filing.labels)
    await insertBcc(tx, id, bcc) // the other addresses belong to the content
    await adapter.indexText(tx, number, {
      subject: parsedMail.subject ?? '',
      addresses: addresses.map((row) => `${row.name ?? ''} ${row.address}`).join('\n'),
      body: parsedMail.searchText,
    })
    await inboxes.addCounts(tx, inbox.id, {
      messages: 1,
      unread: filing.labels.includes('unread') ? 1 : 0,
      threads: thread.isNew ? 1 : 0,
      bytes: filing.content.sizeBytes,
    })
    await rollups.add(tx, inbox, filing.metric, 1)
    if (!thread.isNew) return { id, threadId: thread.id }
    const listed = everyone.slice(0, limits.lists.threadParticipantsMax)
    return { id, threadId: thread.id, newThread: snapshot(tx, thread.id, filing, listed) }
  }
}

function messageRow(tx: Tx, id: string, threadId: string, hidden: number, filing: Filing): messages.NewMessageRow {
  const { inbox, parsedMail } = filing
  return {
    id,
    organization_id: inbox.organization_id,
    pod_id: inbox.pod_id,
    inbox_id: inbox.id,
    thread_id: threadId,
    content_id: filing.content.id,
    api_message_id: filing.apiMessageId,
    api_message_id_hash: hashId(filing.apiMessageId),
    header_message_id: parsedMail.messageId ?? null,
    header_message_id_hash: parsedMail.messageId === undefined ? null : hashId(parsedMail.messageId),
    fingerprint: parsedMail.fingerprint,
    subject: parsedMail.subject ?? null,
    preview: parsedMail.preview ?? null,
    in_reply_to: jsonOrNull(parsedMail.inReplyTo),
    references_list: jsonOrNull(parsedMail.references),
    envelope_sender: filing.envelope?.sender ?? null,
    envelope_recipient: filing.envelope?.recipient ?? null,
    size_bytes: filing.content.sizeBytes,
    has_attachments: filing.content.attachments.length === 0 ? 0 : 1,
    hidden,
    authentication: JSON.stringify(filing.authentication),
    verified_domain: filing.verifiedDomain ?? null,
    modseq: 0, // the store sets it to the number of the message's event
    timestamp: tx.now,
    created_at: tx.now,
    updated_at: tx.now,
  }
}

function jsonOrNull(ids: readonly string[]): string | null {
  return ids.length === 0 ? null : JSON.stringify(ids)
}

/**
 * Finds or creates the thread. This message is its newest: unless it is hidden, the list fields show it from now on.
 */
async function joinThread(
  tx: Tx,
  filing: Filing,
  everyone: readonly ThreadParticipant[],
  hidden: number,
): Promise<{ id: string; isNew: boolean }> {
  const { inbox, parsedMail, labels } = filing
  // Replies refer to the Message-ID of the header, even when our clients see another id.
  const name = parsedMail.messageId ?? filing.apiMessageId
  const ancestry = { messageId: name, inReplyTo: parsedMail.inReplyTo, references: parsedMail.references }
  const knownId = filing.threadId ?? (await findThread(tx, inbox.id, ancestry))
  const [known] = knownId === undefined ? [] : await threads.listByIds(tx, [knownId])
  const id = known?.id ?? tx.newId()

  // A hidden message must not move a thread that has a visible one: the order of a list would reveal it.
  const isNewest = hidden === 0 || !known || known.visible_count === 0
  const own = { preview: parsedMail.preview ?? null, last_message_id: filing.apiMessageId, timestamp: tx.now }
  const moved = {
    ...(isNewest
      ? own
      : { preview: known.preview, last_message_id: known.last_message_id, timestamp: known.timestamp }),
    message_count: (known?.message_count ?? 0) + 1,
    visible_count: (known?.visible_count ?? 0) + (hidden === 0 ? 1 : 0),
    size_bytes: (known?.size_bytes ?? 0) + filing.content.sizeBytes,
    hidden: threadHidden(known, hidden),
    received_timestamp: labels.includes('received') ? tx.now : (known?.received_timestamp ?? null),
    sent_timestamp: labels.includes('sent') ? tx.now : (known?.sent_timestamp ?? null),
    updated_at: tx.now,
  }
  if (known) await threads.update(tx, id, moved)
  else {
    await threads.insert(tx, {
      id,
      organization_id: inbox.organization_id,
      pod_id: inbox.pod_id,
      inbox_id: inbox.id,
      subject: parsedMail.subject ?? null,
      deleting_at: null,
      created_at: tx.now,
      ...moved,
    })
  }
  await threads.addReferences(tx, inbox.id, id, referenceHashes(ancestry))
  await threads.addLabelCounts(tx, id, new Map(labels.map((label) => [label, 1])))
  await threads.addParticipants(tx, id, everyone, 1)
  return { id, isNew: known === undefined }
}

/** Returns the list fields of a thread that contains only this message. */
function snapshot(tx: Tx, id: string, filing: Filing, everyone: readonly ThreadParticipant[]): ThreadSnapshot {
  const { content, labels, parsedMail } = filing
  const displays = (kind: 'sender' | 'recipient') =>
    everyone.filter((one) => one.kind === kind).map((one) => one.display)
  return {
    id,
    labels: labels.toSorted(),
    timestamp: tx.now,
    ...(labels.includes('received') && { receivedTimestamp: tx.now }),
    ...(labels.includes('sent') && { sentTimestamp: tx.now }),
    senders: displays('sender'),
    recipients: displays('recipient'),
    ...(parsedMail.subject !== undefined && { subject: parsedMail.subject }),
    ...(parsedMail.preview !== undefined && { preview: parsedMail.preview }),
    attachments: content.attachments,
    lastMessageId: filing.apiMessageId,
    messageCount: 1,
    sizeBytes: content.sizeBytes,
    createdAt: tx.now,
    updatedAt: tx.now,
  }
}

/** A thread is hidden while all of its messages are hidden, by all classes that hide any of them. */
function threadHidden(known: ThreadRow | undefined, hidden: number): number {
  if (hidden === 0) return 0
  if (!known) return hidden
  return known.visible_count > 0 ? 0 : known.hidden | hidden
}
