/**
 * Files a received message in each of its inboxes, with its event, or recognises that an inbox already has it. Runs
 * inside the caller's transaction.
 *
 * The same Message-ID with the same content is the same message (RFC 5321 §6.1: a sender whose connection broke
 * retries). The same Message-ID with other content is another message, filed under a Message-ID that we generate: a
 * stranger must not be able to suppress a message by using its Message-ID first.
 */
import type { Limits } from '../../config/limits.ts'
import { isSafeInPath, messageIdFrom } from '../../formats/ids.ts'
import type { Tx } from '../../store/handles.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import * as messages from '../../store/tables/messages-table.ts'
import * as threads from '../../store/tables/threads-table.ts'
import { type EventMessage, messageReceived, type ThreadSnapshot } from '../events/log/message-events.ts'
import type { StoredContent } from '../messages/content/insert-content.ts'
import type { ParsedMail } from '../messages/content/parsed-message.ts'
import type { PreparedContent } from '../messages/content/prepared-content.ts'
import type { Filed, Filing } from '../messages/filing.ts'
import { changeLabels } from '../messages/labels/labels.ts'
import { hashId } from '../messages/threads/threading.ts'
import { eventThreadMask } from '../messages/views/event-message.ts'
import { showThreads } from '../messages/views/message-views.ts'
import type { Receipt } from './arrival.ts'
import type { Authentication } from './authenticate.ts'
import type { FilingDecision } from './policy.ts'

export interface Received {
  /** Envelope sender. */
  readonly sender: string
  /** The inboxes are locked. */
  readonly recipients: readonly {
    readonly recipient: string
    readonly inbox: InboxRow
    readonly authentication: Authentication
  }[]
  readonly content: PreparedContent
  readonly decision: FilingDecision
  /** It was submitted here and never left this system. */
  readonly isFromQueue: boolean
}

/** @returns one receipt per recipient, in their order */
export type FileReceived = (tx: Tx, received: Received) => Promise<Receipt[]>

interface FileReceivedNeeds {
  readonly fileMessage: (tx: Tx, filing: Filing) => Promise<Filed>
  /** Domain of the Message-IDs that we generate. */
  readonly domain: string
  readonly limits: Limits
}

const ACTOR = 'system:receiving'
const RECEIVED = ['received', 'unread'] as const

export function createFileReceived({ fileMessage, domain, limits }: FileReceivedNeeds): FileReceived {
  return async function fileReceived(tx, received) {
    const receipts: Receipt[] = []
    /** Messages by inbox. Several recipients may be the same inbox: with plus-tags, or role names. */
    const filed = new Map<string, Pick<Receipt, 'id' | 'messageId'>>()
    let content: StoredContent | undefined

    for (const { recipient, inbox, authentication } of received.recipients) {
      const already = filed.get(inbox.id)
      if (already !== undefined) {
        receipts.push({ recipient, ...already, isDuplicate: true })
        continue
      }
      const known = await recognise(tx, inbox, received.content.parsed)
      if ('existing' in known) {
        if (received.isFromQueue) await appendReceivedIfSentHere(tx, inbox, known.existing)
        const existing = { id: known.existing.id, messageId: known.existing.api_message_id }
        filed.set(inbox.id, existing)
        receipts.push({ recipient, ...existing, isDuplicate: true })
        continue
      }
      content ??= await received.content.insert(tx)
      const id = await fileOne(tx, received, content, known.messageId, { recipient, inbox, authentication })
      filed.set(inbox.id, { id, messageId: known.messageId })
      receipts.push({ recipient, id, messageId: known.messageId, isDuplicate: false })
    }
    return receipts
  }

  async function fileOne(
    tx: Tx,
    received: Received,
    content: StoredContent,
    messageId: string,
    { recipient, inbox, authentication }: Received['recipients'][number],
  ): Promise<string> {
    const { verifiedDomain, ...shown } = authentication
    const labels = [...RECEIVED, ...received.decision.labels]
    const filed = await fileMessage(tx, {
      inbox,
      content,
      parsedMail: received.content.parsed,
      labels,
      apiMessageId: messageId,
      envelope: { sender: received.sender, recipient },
      authentication: shown,
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
   * Looks for a message with the same Message-ID in the inbox.
   *
   * @returns `existing` if it is the same message; else the Message-ID to file the new one under: its own, or a generated
   *   one if a message of the inbox already uses that, or if it is not safe in URLs
   */
  async function recognise(
    tx: Tx,
    inbox: InboxRow,
    { messageId, fingerprint }: ParsedMail,
  ): Promise<{ existing: messages.StoredMessageRow } | { messageId: string }> {
    // Without a Message-ID we cannot know whether it is the same message.
    if (messageId === undefined) return { messageId: messageIdFrom(tx.newId(), domain) }
    const hash = hashId(messageId)
    const existing = await messages.getSame(tx, inbox.id, hash, fingerprint)
    if (existing) return { existing }
    const isUsable = isSafeInPath(messageId) && !(await messages.isApiIdTaken(tx, inbox.id, hash))
    return { messageId: isUsable ? messageId : messageIdFrom(tx.newId(), domain) }
  }

  /**
   * For mail to oneself, from our own queue: the sent message is now also received, with its event. A repeated delivery
   * changes nothing, and neither does a stranger who sends a message of this inbox back to it.
   */
  async function appendReceivedIfSentHere(tx: Tx, inbox: InboxRow, existing: messages.StoredMessageRow): Promise<void> {
    const before = (await messages.labelsOf(tx, [existing.id])).get(existing.id) ?? []
    if (before.includes('received')) return
    const labels = await changeLabels(tx, ACTOR, existing, inbox.address, { add: RECEIVED })
    await threads.update(tx, existing.thread_id, { received_timestamp: tx.now })
    await appendReceived(tx, inbox, {
      id: existing.id,
      threadId: existing.thread_id,
      messageId: existing.api_message_id,
      labels,
    })
  }

  /** @param thread its current state; undefined: read it */
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

/** The thread as this message alone shows it, when so many newer messages are hidden that the search gave up. */
function bareThread(
  { now }: Pick<Tx, 'now'>,
  { threadId, messageId, labels }: Pick<EventMessage, 'threadId' | 'messageId' | 'labels'>,
): ThreadSnapshot {
  const times = { timestamp: now, createdAt: now, updatedAt: now }
  const lists = { senders: [], recipients: [], attachments: [] }
  return { id: threadId, labels, lastMessageId: messageId, messageCount: 1, sizeBytes: 0, ...times, ...lists }
}
