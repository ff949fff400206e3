/**
 * Sends a draft: composes, signs and prepares the message, and then stores it in one transaction with the submission,
 * one queue row per recipient, the event, and the result for the idempotency key. When the call returns an id, all of
 * it is on disk.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import type { EventLoop } from '../../../event-loop.ts'
import { splitAddress } from '../../../formats/address/address.ts'
import { signMessage } from '../../../formats/dkim/dkim-sign.ts'
import { messageIdFrom, uuidv7 } from '../../../formats/ids.ts'
import { composeMessage } from '../../../formats/mime/mime-compose.ts'
import { type Log, loggedAddresses } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import type { Tx } from '../../../store/handles.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import { assertKeyUnchanged, lockInbox } from '../../access/access.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import type { Domains } from '../../domains/domains.ts'
import { messageSent } from '../../events/log/message-events.ts'
import type { PrepareContent, PreparedContent } from '../../messages/content/prepared-content.ts'
import { rowsOfContent, rowsOfFiling } from '../../messages/estimated-rows.ts'
import type { FiledMessage, FileMessages } from '../../messages/filing/filing.ts'
import { type KeyClaim, recordResult } from '../idempotency/idempotency.ts'
import { enqueueSubmission } from '../queue/enqueue-submission.ts'
import { type Draft, envelopeRecipients } from './draft.ts'
import type { DroppedRecipient, Sent } from './outgoing.ts'

/** A draft and the thread it belongs to. */
export interface ThreadedDraft extends Draft {
  readonly inReplyTo?: string
  readonly references?: readonly string[]
  readonly threadId?: string
  /** Only reported in the result. */
  readonly dropped?: readonly DroppedRecipient[]
}

export type Submit = (actor: Actor, inbox: InboxRow, draft: ThreadedDraft, keyClaim: KeyClaim) => Promise<Sent>

interface SubmitNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'messageBytesMax' | 'limits'>
  readonly domains: Domains
  readonly prepareContent: PrepareContent
  readonly fileMessages: FileMessages
  readonly log: Log
  readonly metrics: Metrics
  /** The clock of the machine, epoch ms. */
  readonly wallClock: () => number
  readonly random: (bytes: number) => Buffer
  readonly eventLoop: Pick<EventLoop, 'createWorkQueue'>
}

const BOUNDARY_BYTES = 12

/** The random part of a UUID (uuidv7 in formats/ids.ts). */
const UUID_RANDOM_BYTES = 10

/** A message that is ready to be stored and queued. */
interface Composed {
  readonly messageId: string
  readonly content: PreparedContent
  /** null: not signed. */
  readonly selector: string | null
}

export function createSubmit(needs: SubmitNeeds): Submit {
  const { store, config, domains, prepareContent, fileMessages, log, metrics, wallClock, random, eventLoop } = needs
  const { limits } = config
  const workQueue = eventLoop.createWorkQueue()

  return async function submit(actor, inbox, draft, keyClaim) {
    store.checkWritable()
    // Composing takes about a millisecond, after steps in which other requests got as far.
    await workQueue.wait()
    const now = wallClock()
    const messageId = messageIdFrom(uuidv7(now, random(UUID_RANDOM_BYTES)), splitAddress(inbox.address).domain)
    const { raw, selector } = await compose(inbox, draft, messageId, now)
    const fairnessKey = `organization ${inbox.organization_id}`
    const content = await prepareContent({ fairnessKey, raw, bytesMax: config.messageBytesMax })
    try {
      const send = async (tx: Tx) => {
        await assertKeyUnchanged(tx, actor)
        const current = await lockInbox(tx, actor, 'message_send', inbox.id)
        const result = await fileAndEnqueue(tx, actor, current, draft, { messageId, content, selector })
        await recordResult(tx, keyClaim, result)
        return result
      }
      const { parsed } = content
      const rows = rowsOfContent(parsed) + rowsOfFiling(parsed, limits) + envelopeRecipients(draft).length
      const isLong = rows > limits.messages.shortFilingRowsMax
      const sent = await store.transaction(send, { fairnessKey: isLong ? fairnessKey : undefined })
      metrics.messagesSent.inc()
      const recipients = loggedAddresses('recipients', envelopeRecipients(draft))
      const line = { messageId, from: inbox.address, ...recipients, sizeBytes: raw.length, ms: wallClock() - now }
      log.info(line, 'message accepted for delivery')
      return sent
    } catch (error) {
      await content.discard(error)
      throw error
    }
  }

  async function fileAndEnqueue(
    tx: Tx,
    actor: Actor,
    inbox: InboxRow,
    draft: ThreadedDraft,
    { messageId, content, selector }: Composed,
  ): Promise<Sent> {
    const labels = ['sent', ...draft.labels]
    const recipients = envelopeRecipients(draft)
    const [filed] = await fileMessages(tx, [
      {
        inbox,
        content,
        labels,
        apiMessageId: messageId,
        bcc: draft.bcc,
        threadId: draft.threadId,
        authentication: { result: 'own' },
        verifiedDomain: splitAddress(inbox.address).domain,
        metric: 'sent',
      },
    ])
    const { id, threadId, contentId } = filed as FiledMessage // a message with an id of its own is always new
    await enqueueSubmission(tx, {
      id: tx.newId(),
      kind: 'message',
      message_id: id,
      content_id: contentId,
      dkim_selector: selector,
      inbox,
      sender: inbox.address,
      recipients,
    })
    const message = {
      id,
      organizationId: inbox.organization_id,
      podId: inbox.pod_id,
      inboxId: inbox.id,
      inboxAddress: inbox.address,
      threadId,
      messageId,
      labels,
    }
    tx.append(messageSent({ actor: actorName(actor), message, timestamp: tx.now, recipients }))
    return { messageId, threadId, ...(draft.dropped && { dropped: draft.dropped }) }
  }

  async function compose(
    inbox: InboxRow,
    draft: ThreadedDraft,
    messageId: string,
    now: number,
  ): Promise<{ raw: Buffer; selector: string | null }> {
    const { domain } = splitAddress(inbox.address)
    checkSize(sizeBytesMin(draft)) // before composing, which takes time and memory in proportion to the size
    const composed = await composeMessage({
      messageId,
      date: new Date(now),
      boundary: random(BOUNDARY_BYTES).toString('hex'),
      from: { ...(inbox.display_name !== null && { name: inbox.display_name }), address: inbox.address },
      to: draft.to,
      cc: draft.cc,
      replyTo: draft.replyTo,
      ...(draft.subject !== undefined && { subject: draft.subject }),
      ...(draft.text !== undefined && { text: draft.text }),
      ...(draft.html !== undefined && { html: draft.html }),
      ...(draft.inReplyTo !== undefined && { inReplyTo: draft.inReplyTo }),
      references: draft.references ?? [],
      headers: draft.headers,
      attachments: draft.attachments.map((attachment) => ({
        bytes: attachment.bytes,
        ...(attachment.filename !== undefined && { filename: attachment.filename }),
        ...(attachment.contentType !== undefined && { contentType: attachment.contentType }),
        ...(attachment.disposition !== undefined && { disposition: attachment.disposition }),
        ...(attachment.contentId !== undefined && { contentId: attachment.contentId }),
      })),
    })
    checkSize(composed.length)
    const key = await domains.signingKey(domain)
    if (!key) return { raw: composed, selector: null }
    const { selector, privateKey } = key
    return { raw: await signMessage(composed, { domain, selector, privateKey, signedAt: new Date(now) }), selector }
  }

  function checkSize(bytes: number): void {
    if (bytes > config.messageBytesMax) throw new MailError('message_too_large', { limitBytes: config.messageBytesMax })
  }
}

/** Returns a lower bound of the message's size, for any encoding of its parts. */
function sizeBytesMin({ attachments, text = '', html = '' }: Draft): number {
  return attachments.reduce((sum, { bytes }) => sum + bytes.length, text.length + html.length)
}
