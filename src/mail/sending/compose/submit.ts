/**
 * Sends a checked message: composes, signs and prepares it, and then stores it in one transaction with the submission,
 * one queue row per recipient, the event, and the result for the idempotency key. When the call returns an id, all of
 * it is on disk.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import type { EventLoop } from '../../../event-loop.ts'
import { splitAddress } from '../../../formats/address/address.ts'
import { signMessage } from '../../../formats/dkim/dkim-sign.ts'
import { messageIdFrom, uuidv7 } from '../../../formats/ids.ts'
import { type Log, loggedAddresses } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import type { Tx } from '../../../store/handles.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import { assertKeyUnchanged, lockInbox } from '../../access/access.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import type { Domains } from '../../domains/domains.ts'
import { messageHeld, messageSent } from '../../events/log/message-events.ts'
import { turnOf } from '../../jobs/turn-queue.ts'
import type { DiscardBlobs } from '../../messages/content/discard-blobs.ts'
import type { PrepareContent, PreparedContent } from '../../messages/content/prepared-content.ts'
import { rowsOfContent, rowsOfFiling } from '../../messages/estimated-rows.ts'
import type { FiledMessage, FileMessages } from '../../messages/filing/filing.ts'
import { type KeyClaim, recordResult } from '../idempotency/idempotency.ts'
import { enqueueSubmission } from '../queue/enqueue-submission.ts'
import { envelopeRecipients } from './checked-message.ts'
import type { ComposeMail, ThreadedMessage } from './compose-mail.ts'
import type { Sent } from './outgoing.ts'
import { isBeyondBudget, LOOP_GUARD } from './reply-loops.ts'
import { requireActive, requireSendable } from './require-sendable.ts'

export interface Submission {
  /** As it was when the request began; it is locked and read again in the transaction. */
  readonly inbox: InboxRow
  readonly message: ThreadedMessage
  /** The permission that the call needs. */
  readonly permission: 'message_send' | 'draft_send'
  readonly keyClaim: KeyClaim
  /** Its recipients are held. It gets the label and the event of a sent message when it is released (queue-change.ts). */
  readonly isHeld?: boolean | undefined
  /**
   * Runs in the transaction before the message is filed, when the inbox is locked. If it throws, nothing is sent.
   *
   * @returns keys of blobs to discard after the commit
   */
  readonly first?: (tx: Tx) => Promise<readonly (string | null)[]>
  /** Runs in the transaction after the message is filed. */
  readonly last?: (tx: Tx, sent: Sent) => Promise<void>
}

/** @throws not_found, missing_permission, inbox_paused, message_rejected, organization_unverified, rate_limit_exceeded, idempotency_conflict, message_too_large; the errors of prepareContent */
export type Submit = (actor: Actor, submission: Submission) => Promise<Sent>

interface SubmitNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'messageBytesMax' | 'threadRepliesMax' | 'limits'>
  readonly domains: Domains
  readonly composeMail: ComposeMail
  readonly prepareContent: PrepareContent
  readonly fileMessages: FileMessages
  readonly discardBlobs: DiscardBlobs
  readonly log: Log
  readonly metrics: Metrics
  /** The clock of the machine, epoch ms. */
  readonly wallClock: () => number
  readonly random: (bytes: number) => Buffer
  readonly eventLoop: Pick<EventLoop, 'createWorkQueue'>
}

/** The random part of a UUID (uuidv7 in formats/ids.ts). */
const UUID_RANDOM_BYTES = 10

/** A message that is ready to be stored and queued. */
interface Composed {
  readonly messageId: string
  readonly content: PreparedContent
  /** null: not signed. */
  readonly selector: string | null
  /** Who holds its recipients. */
  readonly heldBy: Actor | undefined
}

export function createSubmit(needs: SubmitNeeds): Submit {
  const { store, config, domains, composeMail, prepareContent, fileMessages, discardBlobs } = needs
  const { log, metrics, wallClock, random, eventLoop } = needs
  const { limits } = config
  const workQueue = eventLoop.createWorkQueue()

  return async function submit(actor, submission) {
    const { inbox, message, permission, keyClaim, first, last, isHeld = false } = submission
    store.checkWritable()
    requireActive(inbox) // a paused inbox composes nothing; the transaction checks again
    // Composing takes about a millisecond, after steps in which other requests got as far.
    await workQueue.wait()
    const now = wallClock()
    const messageId = messageIdFrom(uuidv7(now, random(UUID_RANDOM_BYTES)), splitAddress(inbox.address).domain)
    const { raw, selector } = await sign(inbox, await composeMail(inbox, message, messageId, now), now)
    const turn = turnOf({ organizationId: inbox.organization_id, podId: inbox.pod_id })
    const content = await prepareContent({ ...turn, raw, bytesMax: config.messageBytesMax })
    try {
      const send = async (tx: Tx) => {
        await assertKeyUnchanged(tx, actor)
        const current = await lockInbox(tx, actor, permission, inbox.id)
        await requireSendable(tx, current, envelopeRecipients(message), limits)
        const blobs = (await first?.(tx)) ?? []
        const isLoop = !isHeld && (await isBeyondBudget(tx, message, config))
        const heldBy = isLoop ? LOOP_GUARD : isHeld ? actor : undefined
        const result = await fileAndEnqueue(tx, actor, current, message, { messageId, content, selector, heldBy })
        await recordResult(tx, keyClaim, result)
        await last?.(tx, result)
        return { result, blobs, heldBy }
      }
      const { parsed } = content
      const rows = rowsOfContent(parsed) + rowsOfFiling(parsed, limits) + envelopeRecipients(message).length
      const isLong = rows > limits.messages.shortFilingRowsMax
      const { result, blobs, heldBy } = await store.transaction(send, {
        fairnessKey: isLong ? turn.fairnessKey : undefined,
      })
      metrics.messagesSent.inc()
      const recipients = loggedAddresses('recipients', envelopeRecipients(message))
      const line = { messageId, from: inbox.address, ...recipients, sizeBytes: raw.length, ms: wallClock() - now }
      if (heldBy === LOOP_GUARD) log.warn(line, 'message held: too many replies in its thread within an hour')
      else log.info(line, heldBy ? 'message accepted and held' : 'message accepted for delivery')
      await discardBlobs(blobs)
      return result
    } catch (error) {
      await content.discard(error)
      throw error
    }
  }

  async function fileAndEnqueue(
    tx: Tx,
    actor: Actor,
    inbox: InboxRow,
    message: ThreadedMessage,
    { messageId, content, selector, heldBy }: Composed,
  ): Promise<Sent> {
    const labels = [...(heldBy ? [] : ['sent']), ...message.labels]
    const recipients = envelopeRecipients(message)
    const [filed] = await fileMessages(tx, [
      {
        inbox,
        content,
        labels,
        apiMessageId: messageId,
        bcc: message.bcc,
        threadId: message.threadId,
        authentication: { result: 'own' },
        verifiedDomain: splitAddress(inbox.address).domain,
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
      ...(heldBy && { heldBy }),
    })
    const about = {
      id,
      organizationId: inbox.organization_id,
      podId: inbox.pod_id,
      inboxId: inbox.id,
      inboxAddress: inbox.address,
      threadId,
      messageId,
      labels,
    }
    const event = heldBy ? messageHeld : messageSent
    tx.append(event({ actor: actorName(heldBy ?? actor), message: about, timestamp: tx.now, recipients }))
    return { id, messageId, threadId, ...(message.dropped && { dropped: message.dropped }) }
  }

  async function sign(inbox: InboxRow, raw: Buffer, now: number): Promise<{ raw: Buffer; selector: string | null }> {
    const { domain } = splitAddress(inbox.address)
    const key = await domains.signingKey(inbox.domain_id)
    if (!key) throw new MailError('domain_not_verified', { domain }) // it was deleted
    const { selector, privateKey } = key
    return {
      raw: await signMessage(raw, { domain: key.domain, selector, privateKey, signedAt: new Date(now) }),
      selector,
    }
  }
}
