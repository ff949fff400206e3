/**
 * Inside the transaction: one received mail becomes a message in each of its inboxes, with its event; or is recognised
 * as one that is there already.
 *
 * Same Message-ID and same content is the same mail (RFC 5321 §6.1: a sender whose connection broke tries again). Same
 * Message-ID with other content is another mail, filed under an id that we make: a stranger must not be able to hide a
 * mail behind a known id.
 */
import type { Limits } from '../../config/limits.ts'
import { messageIdFrom } from '../../formats/ids.ts'
import type { Tx } from '../../store/handles.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import * as messages from '../../store/tables/messages-table.ts'
import * as threads from '../../store/tables/threads-table.ts'
import { type EventMessage, messageReceived, type ThreadSnapshot } from '../events/log/message-events.ts'
import { insertContent, type Spooled, type StoredContent } from '../messages/content/contents.ts'
import type { ParsedMail } from '../messages/content/parsed-message.ts'
import type { Filed, Filing } from '../messages/filing.ts'
import { changeOne } from '../messages/labels/labels.ts'
import { hashId } from '../messages/threads/threading.ts'
import { eventThreadMask } from '../messages/views/event-message.ts'
import { showThreads } from '../messages/views/message-views.ts'
import type { Receipt } from './arrival.ts'
import type { Authentication } from './authenticate.ts'
import type { Verdict } from './policy.ts'

export interface Received {
  /** Envelope sender. */
  readonly sender: string
  readonly recipients: readonly { readonly recipient: string; readonly inbox: InboxRow }[]
  readonly spooled: Spooled
  readonly parsedMail: ParsedMail
  readonly packed: { readonly parsed: Uint8Array | null; readonly parsedBlobKey: string | null }
  readonly authentication: Authentication
  readonly verdict: Verdict
}

export type FileReceived = (tx: Tx, received: Received) => Promise<Receipt[]>

interface FileReceivedNeeds {
  readonly file: (tx: Tx, filing: Filing) => Promise<Filed>
  /** Domain of the Message-IDs that we make. */
  readonly domain: string
  readonly limits: Limits
}

const ACTOR = 'system:receiving'
const RECEIVED = ['received', 'unread'] as const

export function createFileReceived({ file, domain, limits }: FileReceivedNeeds): FileReceived {
  return async function fileReceived(tx, received) {
    const receipts: Receipt[] = []
    const filed = new Map<string, string>() // two recipients can be one inbox: a tag, or a role name
    let content: StoredContent | undefined

    for (const { recipient, inbox } of received.recipients) {
      const already = filed.get(inbox.id)
      if (already !== undefined) {
        receipts.push({ recipient, messageId: already, duplicate: true })
        continue
      }
      const found = await recognise(tx, inbox, received.parsedMail)
      if ('existing' in found) {
        await appendReceivedIfSentHere(tx, inbox, found.existing)
        filed.set(inbox.id, found.existing.id)
        receipts.push({ recipient, messageId: found.existing.id, duplicate: true })
        continue
      }
      content ??= await insertContent(tx, received.spooled, received.parsedMail, received.packed)
      const id = await fileOne(tx, received, content, found.name, { recipient, inbox })
      filed.set(inbox.id, id)
      receipts.push({ recipient, messageId: id, duplicate: false })
    }
    return receipts
  }

  async function fileOne(
    tx: Tx,
    received: Received,
    content: StoredContent,
    messageId: string,
    { recipient, inbox }: Received['recipients'][number],
  ): Promise<string> {
    const { parsedMail, authentication, verdict } = received
    const { verifiedDomain, ...found } = authentication
    const labels = [...RECEIVED, ...verdict.labels]
    const filed = await file(tx, {
      inbox,
      content,
      parsedMail,
      labels,
      apiMessageId: messageId,
      envelope: { sender: received.sender, recipient },
      authentication: found,
      verifiedDomain,
      metric: 'received',
    })
    await appendReceived(
      tx,
      inbox,
      { id: filed.id, threadId: filed.threadId, messageId, labels: labels.sort() },
      filed.newThread,
    )
    return filed.id
  }

  /**
   * Looks for mails of the same name in the inbox.
   *
   * @returns the one that is this mail, or the name to file it under: its own Message-ID where it is free, else one
   *   that we make
   */
  async function recognise(
    tx: Tx,
    inbox: InboxRow,
    { messageId, fingerprint }: ParsedMail,
  ): Promise<{ existing: messages.StoredMessageRow } | { name: string }> {
    // Without a name nobody can say that it is the same one.
    if (messageId === undefined) return { name: messageIdFrom(tx.newId(), domain) }
    const hash = hashId(messageId)
    const existing = await messages.getSame(tx, inbox.id, hash, fingerprint)
    if (existing) return { existing }
    const isTaken = await messages.isApiIdTaken(tx, inbox.id, hash)
    return { name: isTaken ? messageIdFrom(tx.newId(), domain) : messageId }
  }

  /** Mail to oneself: the sent message is now also received, and its event is appended; a repeated delivery changes nothing. */
  async function appendReceivedIfSentHere(tx: Tx, inbox: InboxRow, existing: messages.StoredMessageRow): Promise<void> {
    const before = (await messages.labelsOf(tx, [existing.id])).get(existing.id) ?? []
    if (before.includes('received')) return
    const labels = await changeOne(tx, ACTOR, existing, inbox.address, { add: RECEIVED })
    await threads.update(tx, existing.thread_id, { received_timestamp: tx.now })
    await appendReceived(tx, inbox, {
      id: existing.id,
      threadId: existing.thread_id,
      messageId: existing.api_message_id,
      labels,
    })
  }

  /** @param thread as it is now, where that is known without reading it */
  async function appendReceived(
    tx: Tx,
    inbox: InboxRow,
    about: Pick<EventMessage, 'id' | 'threadId' | 'messageId' | 'labels'>,
    thread?: ThreadSnapshot,
  ): Promise<void> {
    const message = {
      ...about,
      organizationId: inbox.organization_id,
      podId: inbox.pod_id,
      inboxId: inbox.id,
      inboxAddress: inbox.address,
    }
    const mask = eventThreadMask(about.labels)
    const [read] = thread ? [] : await showThreads(tx, await threads.listByIds(tx, [about.threadId]), limits, mask)
    tx.append(messageReceived({ actor: ACTOR, message, thread: thread ?? read ?? bareThread(tx, about) }))
  }
}

/** For a thread with more newer hidden messages than are searched for the ones that may be shown. */
function bareThread(
  { now }: Pick<Tx, 'now'>,
  { threadId, messageId, labels }: Pick<EventMessage, 'threadId' | 'messageId' | 'labels'>,
): ThreadSnapshot {
  const times = { timestamp: now, createdAt: now, updatedAt: now }
  const lists = { senders: [], recipients: [], attachments: [] }
  return { id: threadId, labels, lastMessageId: messageId, messageCount: 1, sizeBytes: 0, ...times, ...lists }
}
