/**
 * Turns rows into messages or threads as callers see them: a page needs a fixed number of queries, whatever its length.
 * The caller has already decided who may see them.
 */

import type { Limits } from '../../../config/limits.ts'
import type { Address } from '../../../formats/address/address.ts'
import type { Db } from '../../../store/handles.ts'
import type { AddressKind, KindAddress, ThreadParticipantRow, ThreadRow } from '../../../store/schema/message-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import { addressesOf } from '../../../store/tables/addresses-table.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import * as threads from '../../../store/tables/threads-table.ts'
import * as verifiedSenders from '../../../store/tables/verified-senders-table.ts'
import type { Authentication } from '../authentication.ts'
import type { SpamVerdict } from '../spam-verdict.ts'
import type { ThreadItem } from '../threads/thread.ts'
import { listFields } from '../threads/thread-fields.ts'
import { showPart } from '../threads/thread-part.ts'
import { showAttachment } from './attachment.ts'
import type { Attachment, MessageItem } from './message.ts'

/** The inbox of a message. */
export type KnownInbox = Pick<InboxRow, 'id' | 'address' | 'organization_id' | 'pod_id'>

type ItemRow = messages.MessageItemRow
type ItemRowOfAnyInbox = ItemRow & messages.InboxColumns

/**
 * Returns messages in the order of the rows.
 *
 * @param inbox the inbox of all rows, if the caller has read it
 */
export async function showMessages(
  db: Db,
  rows: readonly ItemRowOfAnyInbox[],
  inbox?: KnownInbox,
): Promise<MessageItem[]> {
  if (inbox) return showMessagesOf(db, inbox, rows)
  const addresses = await inboxes.addresses(db, [...new Set(rows.map((row) => row.inbox_id))])
  return showItems(db, rows, (row) => ({
    id: row.inbox_id,
    organization_id: row.organization_id,
    pod_id: row.pod_id,
    address: addresses.get(row.inbox_id) ?? '',
  }))
}

/** The same for rows that do not name their inbox. */
export async function showMessagesOf(db: Db, inbox: KnownInbox, rows: readonly ItemRow[]): Promise<MessageItem[]> {
  return showItems(db, rows, () => inbox)
}

async function showItems<Row extends ItemRow>(
  db: Db,
  rows: readonly Row[],
  inboxOf: (row: Row) => KnownInbox,
): Promise<MessageItem[]> {
  const labels = await messages.labelsOf(
    db,
    rows.map((row) => row.id),
  )
  const addresses = await addressesOf(db, rows)
  const attachments = await attachmentsByContent(
    db,
    rows.filter((row) => row.has_attachments === 1).map((row) => row.content_id),
  )
  const authenticationOf = parseOnce<Authentication>()
  const claiming = rows.filter((row) => row.sender_claim !== null)
  const claims = claiming.map((row) => ({ id: row.id, inbox_id: inboxOf(row).id, sender_claim: row.sender_claim! }))
  const senders = await verifiedSenders.ofMessages(db, claims)

  return rows.map((row) => {
    const inbox = inboxOf(row)
    const { from, reply_to: replyTo, to, cc, bcc } = addressesByKind(addresses.get(row.id) ?? [])
    const [inReplyTo] = parseIds(row.in_reply_to)
    const verifiedSender = senders.get(row.id)
    const item: { -readonly [Name in keyof MessageItem]: MessageItem[Name] } = {
      id: row.id,
      organizationId: inbox.organization_id,
      podId: inbox.pod_id,
      inboxId: inbox.id,
      inboxAddress: inbox.address,
      threadId: row.thread_id,
      messageId: row.api_message_id,
      labels: labels.get(row.id) ?? [],
      timestamp: row.timestamp,
      replyTo,
      to,
      cc,
      bcc,
      attachments: attachments.get(row.content_id) ?? [],
      references: parseIds(row.references_list),
      sizeBytes: row.size_bytes,
      authentication: authenticationOf(row.authentication),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    }
    // Not as conditional spreads, which take ten times as long for the most frequent objects of all.
    if (row.envelope_sender !== null) item.envelopeSender = row.envelope_sender
    if (from[0]) item.from = from[0]
    if (row.subject !== null) item.subject = row.subject
    if (row.preview !== null) item.preview = row.preview
    if (inReplyTo !== undefined) item.inReplyTo = inReplyTo
    if (row.spam !== null) item.spam = JSON.parse(row.spam) as SpamVerdict
    if (row.verified_domain !== null) item.verifiedDomain = row.verified_domain
    if (verifiedSender !== undefined) item.verifiedSender = verifiedSender
    return item
  })
}

/** What threads show besides their rows. */
export interface ThreadParts {
  /** By thread, in their order. */
  readonly labels: ReadonlyMap<string, readonly string[]>
  readonly participants: ReadonlyMap<string, readonly ThreadParticipantRow[]>
  /** The contents of its newest messages with attachments, newest first. */
  readonly contentIds: ReadonlyMap<string, readonly string[]>
  /** By inbox. */
  readonly inboxAddresses: ReadonlyMap<string, string>
}

async function readParts(db: Db, rows: readonly ThreadRow[], { lists }: Limits): Promise<ThreadParts> {
  const ids = rows.map((row) => row.id)
  return {
    labels: await threads.labelsOf(db, ids),
    participants: await threads.participantsOf(db, ids, lists.threadParticipantsMax),
    contentIds: await threads.contentsOf(db, ids, lists.threadAttachmentMessagesMax),
    inboxAddresses: await inboxes.addresses(db, [...new Set(rows.map((row) => row.inbox_id))]),
  }
}

/**
 * Returns threads in the order of the rows, without those of which no message may be seen.
 *
 * @param hiddenMask classes to omit from every field: those that the reader may not see or did not request
 * @param known what `readParts` would read, if the caller has it
 */
export async function showThreads(
  db: Db,
  stored: readonly ThreadRow[],
  limits: Limits,
  hiddenMask: number,
  known?: ThreadParts,
): Promise<ThreadItem[]> {
  const rows = hiddenMask === 0 ? await Promise.all(stored.map(withNewest)) : stored
  const { labels, participants, contentIds, inboxAddresses } = known ?? (await readParts(db, rows, limits))
  const attachments = await attachmentsByContent(
    db,
    rows.flatMap((row) => contentIds.get(row.id) ?? []),
  )

  const whole = rows.map((row) => {
    const everyone = participants.get(row.id) ?? []
    const thread: { -readonly [Name in keyof ThreadItem]: ThreadItem[Name] } = {
      id: row.id,
      organizationId: row.organization_id,
      podId: row.pod_id,
      inboxId: row.inbox_id,
      inboxAddress: inboxAddresses.get(row.inbox_id) ?? '',
      labels: labels.get(row.id) ?? [],
      timestamp: row.timestamp,
      senders: everyone.filter((one) => one.kind === 'sender').map((one) => one.display),
      recipients: everyone.filter((one) => one.kind === 'recipient').map((one) => one.display),
      attachments: (contentIds.get(row.id) ?? []).flatMap((contentId) => attachments.get(contentId) ?? []),
      lastMessageId: row.last_message_id,
      messageCount: row.message_count,
      sizeBytes: row.size_bytes,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    }
    if (row.received_timestamp !== null) thread.receivedTimestamp = row.received_timestamp
    if (row.sent_timestamp !== null) thread.sentTimestamp = row.sent_timestamp
    if (row.subject !== null) thread.subject = row.subject
    if (row.preview !== null) thread.preview = row.preview
    return thread
  })
  const shown = await Promise.all(whole.map((thread, index) => withoutHidden(thread, rows[index]!)))
  return shown.filter((thread) => thread !== undefined)

  /** A reader who sees all of a thread gets the fields of its newest message, even if that is hidden from others. */
  async function withNewest(row: ThreadRow): Promise<ThreadRow> {
    if (row.visible_count === row.message_count) return row
    const newest = await messages.newestInThread(db, row.id, { isShown: false })
    return newest ? { ...row, ...listFields(newest) } : row
  }

  /** Most threads have no hidden messages. Only the others are built from their visible messages. */
  async function withoutHidden(thread: ThreadItem, row: ThreadRow): Promise<ThreadItem | undefined> {
    if (hiddenMask === 0 || row.visible_count === row.message_count) return thread
    const part = await showPart(db, row, hiddenMask, limits.lists.threadPartMessagesMax, (ids) =>
      attachmentsByContent(db, ids),
    )
    const { organizationId, podId, inboxId, inboxAddress } = thread
    return part && { ...part, organizationId, podId, inboxId, inboxAddress }
  }
}

async function attachmentsByContent(db: Db, contentIds: readonly string[]): Promise<Map<string, Attachment[]>> {
  const byContent = new Map<string, Attachment[]>()
  for (const row of await contents.listAttachments(db, [...new Set(contentIds)])) {
    const list = byContent.get(row.content_id) ?? []
    list.push(showAttachment(row))
    byContent.set(row.content_id, list)
  }
  return byContent
}

/** Returns addresses by their kind, each in its order. */
function addressesByKind(rows: readonly KindAddress[]) {
  const lists: Record<AddressKind, Address[]> = { from: [], sender: [], reply_to: [], to: [], cc: [], bcc: [] }
  for (const { kind, name, address } of rows) lists[kind].push(name === null ? { address } : { name, address })
  return lists
}

/** Parses equal texts once: most messages of a page have the same results. */
function parseOnce<Value>(): (json: string) => Value {
  const parsed = new Map<string, Value>()
  return (json) => {
    const known = parsed.get(json)
    if (known) return known
    const value = JSON.parse(json) as Value
    parsed.set(json, value)
    return value
  }
}

function parseIds(json: string | null): string[] {
  return json === null ? [] : (JSON.parse(json) as string[])
}
