/**
 * Inside the transaction: one received mail becomes a message in each of its inboxes, with its event; or is recognised
 * as one that is there already.
 *
 * Same Message-ID and same content is the same mail (RFC 5321 §6.1: a sender whose connection broke tries again). Same
 * Message-ID with other content is another mail, filed under an id that we make: a stranger must not be able to hide a
 * mail behind a known id.
 */
import { messageIdFrom } from '../../formats/ids.ts'
import type { InboxRow, Tx } from '../../store/schema.ts'
import * as messages from '../../store/tables/messages.ts'
import * as threads from '../../store/tables/threads.ts'
import { messageReceived } from '../events/message-events.ts'
import { insertContent, type Spooled } from '../messages/contents.ts'
import type { Filing } from '../messages/filing.ts'
import { changeOne } from '../messages/labels.ts'
import type { Reading } from '../messages/reading.ts'
import { showMessages, showThreads, type ThreadShowLimits } from '../messages/showing.ts'
import { hashId } from '../messages/threading.ts'
import type { Receipt } from './arrival.ts'
import type { Authentication } from './authenticate.ts'
import type { Verdict } from './policy.ts'

export interface Received {
  /** Envelope sender. */
  readonly sender: string
  readonly recipients: readonly { readonly recipient: string; readonly inbox: InboxRow }[]
  readonly spooled: Spooled
  readonly reading: Reading
  readonly packed: { readonly parsed: Uint8Array | null; readonly parsedBlobKey: string | null }
  readonly authentication: Authentication
  readonly verdict: Verdict
}

export type FileReceived = (tx: Tx, received: Received) => Promise<Receipt[]>

interface FileReceivedNeeds {
  readonly file: (tx: Tx, filing: Filing) => Promise<{ id: string; threadId: string }>
  /** Domain of the Message-IDs that we make. */
  readonly domain: string
  readonly limits: ThreadShowLimits
}

const ACTOR = 'system:receiving'
const RECEIVED = ['received', 'unread'] as const

export function createFileReceived({ file, domain, limits }: FileReceivedNeeds): FileReceived {
  return async function fileReceived(tx, received) {
    const receipts: Receipt[] = []
    const filed = new Map<string, string>() // two recipients can be one inbox: a tag, or a role name
    let contentId: string | undefined

    for (const { recipient, inbox } of received.recipients) {
      const already = filed.get(inbox.id)
      const twin = already === undefined ? await findTwin(tx, inbox, received.reading) : undefined
      if (already !== undefined || twin) {
        if (twin) await tellOfTwin(tx, inbox, twin, limits)
        const messageId = already ?? twin!.id
        filed.set(inbox.id, messageId)
        receipts.push({ recipient, messageId, duplicate: true })
        continue
      }
      contentId ??= await insertContent(tx, received.spooled, received.reading, received.packed)
      const id = await fileOne(tx, received, contentId, recipient, inbox)
      filed.set(inbox.id, id)
      receipts.push({ recipient, messageId: id, duplicate: false })
    }
    return receipts
  }

  async function fileOne(
    tx: Tx,
    received: Received,
    contentId: string,
    recipient: string,
    inbox: InboxRow,
  ): Promise<string> {
    const { reading, authentication, verdict } = received
    const { verifiedDomain, ...found } = authentication
    const { id } = await file(tx, {
      inbox,
      contentId,
      sizeBytes: received.spooled.sizeBytes,
      reading,
      labels: [...RECEIVED, ...verdict.labels],
      apiMessageId: await nameFor(tx, inbox, reading),
      envelope: { sender: received.sender, recipient },
      authentication: found,
      verifiedDomain,
      metric: 'received',
    })
    await tell(tx, id, limits)
    return id
  }

  /** Its own Message-ID where the inbox does not know it yet, else one that we make. */
  async function nameFor(tx: Tx, inbox: InboxRow, reading: Reading): Promise<string> {
    const { messageId } = reading
    if (messageId !== undefined && !(await messages.getByApiId(tx, inbox.id, hashId(messageId)))) return messageId
    return messageIdFrom(tx.newId(), domain)
  }
}

async function findTwin(tx: Tx, inbox: InboxRow, reading: Reading): Promise<messages.StoredMessageRow | undefined> {
  if (reading.messageId === undefined) return undefined // without a name nobody can say that it is the same one
  return messages.getTwin(tx, inbox.id, hashId(reading.messageId), reading.fingerprint)
}

/** Mail to oneself: the sent message is now also received, and that is told; a repeated delivery changes nothing. */
async function tellOfTwin(
  tx: Tx,
  inbox: InboxRow,
  twin: messages.StoredMessageRow,
  limits: ThreadShowLimits,
): Promise<void> {
  const labels = (await messages.labelsOf(tx, [twin.id])).get(twin.id) ?? []
  if (labels.includes('received')) return
  await changeOne(tx, ACTOR, twin, inbox.address, { add: RECEIVED })
  await threads.update(tx, twin.thread_id, { received_timestamp: tx.now })
  await tell(tx, twin.id, limits)
}

async function tell(tx: Tx, id: string, limits: ThreadShowLimits): Promise<void> {
  const [message] = await showMessages(tx, await messages.listByIds(tx, [id]))
  const [thread] = await showThreads(tx, await threads.listByIds(tx, [message!.threadId]), limits)
  tx.append(messageReceived({ actor: ACTOR, message: message!, thread: thread! }))
}
