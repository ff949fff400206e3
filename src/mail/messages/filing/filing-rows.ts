/** The rows of a filed message and of its thread. Part of file-messages.ts. */
import type { Tx } from '../../../store/handles.ts'
import type { ThreadRow } from '../../../store/schema/message-rows.ts'
import type * as messages from '../../../store/tables/messages-table.ts'
import { hiddenMask } from '../../access/permissions.ts'
import type { ContentRows } from '../content/insert-content.ts'
import { hashId } from '../threads/threading.ts'
import type { Filing } from './filing.ts'

export interface MessageToFile {
  readonly filing: Filing
  readonly id: string
  /** Hash of its Message-ID field; undefined when there is none. */
  readonly headerHash: string | undefined
  readonly apiMessageId: string
  readonly content: ContentRows
  readonly threadId: string
}

export function messageRow(
  tx: Tx,
  { filing, id, headerHash, apiMessageId, content, threadId }: MessageToFile,
): messages.NewMessageRow {
  const { inbox, envelope } = filing
  const { parsed } = filing.content
  return {
    id,
    organization_id: inbox.organization_id,
    pod_id: inbox.pod_id,
    inbox_id: inbox.id,
    thread_id: threadId,
    content_id: content.row.id,
    api_message_id: apiMessageId,
    api_message_id_hash: apiMessageId === parsed.messageId ? headerHash! : hashId(apiMessageId),
    header_message_id: parsed.messageId ?? null,
    header_message_id_hash: headerHash ?? null,
    fingerprint: parsed.fingerprint,
    subject: parsed.subject ?? null,
    preview: parsed.preview ?? null,
    in_reply_to: jsonOrNull(parsed.inReplyTo),
    references_list: jsonOrNull(parsed.references),
    envelope_sender: envelope?.sender ?? null,
    envelope_recipient: envelope?.recipient ?? null,
    size_bytes: content.row.size_bytes,
    has_attachments: content.attachments.length === 0 ? 0 : 1,
    hidden: hiddenMask(filing.labels),
    authentication: JSON.stringify(filing.authentication),
    spam: filing.spam ? JSON.stringify(filing.spam) : null,
    verified_domain: filing.verifiedDomain ?? null,
    sender_claim: filing.senderClaim ?? null,
    labels_seq: 0,
    timestamp: tx.now,
    internal_date: filing.internalDate ?? null,
    created_at: tx.now,
    updated_at: tx.now,
  }
}

function jsonOrNull(ids: readonly string[]): string | null {
  return ids.length === 0 ? null : JSON.stringify(ids)
}

/**
 * Returns a thread with a message added, or the new thread that it begins. The message is its newest: unless it is hidden,
 * the list fields show it from now on.
 */
export function threadWith(
  tx: Tx,
  known: ThreadRow | undefined,
  { filing, apiMessageId, content }: Pick<MessageToFile, 'filing' | 'apiMessageId' | 'content'>,
): ThreadRow {
  const { inbox, labels } = filing
  const { preview, subject } = filing.content.parsed
  const hidden = hiddenMask(labels)
  // A hidden message must not move a thread that has a visible one: the order of a list would reveal it.
  const isNewest = hidden === 0 || !known || known.visible_count === 0
  const own = { preview: preview ?? null, last_message_id: apiMessageId, timestamp: tx.now }
  return {
    id: known?.id ?? tx.newId(),
    organization_id: inbox.organization_id,
    pod_id: inbox.pod_id,
    inbox_id: inbox.id,
    subject: known ? known.subject : (subject ?? null),
    ...(isNewest
      ? own
      : { preview: known.preview, last_message_id: known.last_message_id, timestamp: known.timestamp }),
    message_count: (known?.message_count ?? 0) + 1,
    visible_count: (known?.visible_count ?? 0) + (hidden === 0 ? 1 : 0),
    size_bytes: (known?.size_bytes ?? 0) + content.row.size_bytes,
    hidden: threadHidden(known, hidden),
    received_timestamp: labels.includes('received') ? tx.now : (known?.received_timestamp ?? null),
    sent_timestamp: labels.includes('sent') ? tx.now : (known?.sent_timestamp ?? null),
    deleting_at: known?.deleting_at ?? null,
    created_at: known?.created_at ?? tx.now,
    updated_at: tx.now,
  }
}

/** A thread is hidden while all of its messages are hidden, by all classes that hide any of them. */
function threadHidden(known: ThreadRow | undefined, hidden: number): number {
  if (hidden === 0) return 0
  if (!known) return hidden
  return known.visible_count > 0 ? 0 : known.hidden | hidden
}
