/**
 * Stores a signed message in one transaction with its submission, one queue row per recipient, the event, and the result for
 * the idempotency key. All mail that inboxes send ends here: what the API has composed (submit.ts), and what a mail
 * program has composed (raw/raw-sending.ts). It checks in that transaction who may send what to whom (admit-sends.ts).
 *
 *   admit all → begin each → file all → enqueue all → end each
 *
 * Messages of the API that are sent at the same time are stored as a batch (docs/adr/0086): what takes one statement for all
 * is done for all. A list of one is the normal case.
 */
import type { Config } from '../../../config/settings.ts'
import type { Address } from '../../../formats/address/address.ts'
import { splitAddress } from '../../../formats/address/address.ts'
import { messageIdFrom } from '../../../formats/ids.ts'
import { type Log, loggedAddresses } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { BatchResult, Store } from '../../../store/store.ts'
import { labelsOf, type NewMessageRow, type StoredMessageRow } from '../../../store/tables/messages-table.ts'
import * as placedMessages from '../../../store/tables/placed-messages-table.ts'
import { selectByReferences } from '../../../store/tables/thread-references-table.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import { messageHeld, messageSent } from '../../events/log/message-events.ts'
import { turnOf } from '../../jobs/turn-queue.ts'
import type { DiscardBlobs } from '../../messages/content/discard-blobs.ts'
import type { PreparedContent } from '../../messages/content/prepared-content.ts'
import { rowsOfContent, rowsOfFiling } from '../../messages/estimated-rows.ts'
import type { Filed, FileMessages, Filing } from '../../messages/filing/filing.ts'
import { changeLabels } from '../../messages/labels/labels.ts'
import { recordReply } from '../../messages/labels/record-reply.ts'
import type { Removal } from '../../messages/removal.ts'
import { lookupHashes, relativesOf } from '../../messages/threads/threading.ts'
import { type KeyClaim, recordResult } from '../idempotency/idempotency.ts'
import { enqueueSubmissions, type NewSubmission } from '../queue/enqueue-submission.ts'
import { createAdmitSends, isAdmitted, type NotAdmitted } from './admit-sends.ts'
import type { DroppedRecipient, Sent } from './outgoing.ts'
import { type Answered, isBeyondBudget, LOOP_GUARD } from './reply-loops.ts'
import type { CountSends } from './send-caps.ts'

/** A signed message and its envelope. */
export interface SentMail {
  /** As it was when the request began; it is locked and read again in the transaction. */
  readonly inbox: InboxRow
  /** The permission that the call needs. */
  readonly permission: 'message_send' | 'draft_send'
  readonly keyClaim: KeyClaim
  /** It is discarded if the message is not stored. */
  readonly content: PreparedContent
  /** The selector of the DKIM key. */
  readonly selector: string
  /**
   * Its Message-ID, which is new. undefined: a mail program has chosen it. If the inbox has sent the same message before, it is
   * sent again and not stored twice; if the program has appended it to Sent already, this message takes the place of that copy.
   */
  readonly messageId?: string | undefined
  readonly envelopeSender: string
  /** Normalised, each once. */
  readonly recipients: readonly string[]
  /** Those that its header does not show. */
  readonly bcc: readonly Address[]
  /** Labels of the caller. */
  readonly labels: readonly string[]
  /** The thread that it belongs to; undefined: its header says it. */
  readonly threadId?: string | undefined
  /** The Message-ID that it answers; undefined: its header says it. */
  readonly inReplyTo?: string | undefined
  readonly dropped?: readonly DroppedRecipient[] | undefined
  /** Its header cannot be sent without SMTPUTF8. */
  readonly needsSmtpUtf8?: boolean
  /** Its recipients are held. It gets the label and the event of a sent message when it is released (queue-change.ts). */
  readonly isHeld?: boolean | undefined
  /**
   * Runs in the transaction before the message is filed, when the inbox is locked. If it throws, nothing is sent.
   *
   * @returns keys of blobs to discard after the commit
   */
  readonly first?: ((tx: Tx) => Promise<readonly (string | null)[]>) | undefined
  /** Runs in the transaction after the message is filed. @param inbox as it is now */
  readonly last?: ((tx: Tx, sent: Sent, inbox: InboxRow) => Promise<void>) | undefined
  /** When the work on it began, epoch ms of the clock of the machine; for the log. */
  readonly beganAt: number
}

/** @throws not_found, missing_permission, unknown_api_key, inbox_paused, message_rejected, organization_unverified, rate_limit_exceeded, idempotency_running; the errors of a transaction */
export type FileSent = (actor: Actor, mail: SentMail) => Promise<Sent>

interface FileSentNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'threadRepliesMax' | 'limits'>
  readonly countSends: CountSends
  readonly fileMessages: FileMessages
  readonly removal: Removal
  readonly discardBlobs: DiscardBlobs
  readonly log: Log
  readonly metrics: Metrics
  /** The clock of the machine, epoch ms. */
  readonly wallClock: () => number
}

interface ToSend {
  readonly actor: Actor
  readonly mail: SentMail
}

/** A message that is admitted. */
interface Begun extends ToSend {
  /** As it is now. */
  readonly inbox: InboxRow
  readonly heldBy: Actor | undefined
  readonly filing: Filing
  /** To discard after the commit. */
  readonly blobs: readonly (string | null)[]
}

interface Stored extends Pick<Sent, 'messageId' | 'threadId'> {
  readonly id: string
  readonly contentId: string
  readonly labels: readonly string[]
  /** To discard after the commit. */
  readonly blobs: readonly string[]
  /** The inbox had it already, with its bytes. */
  readonly isRepeated: boolean
}

interface Done {
  readonly result: Sent
  readonly heldBy: Actor | undefined
  readonly blobs: readonly (string | null)[]
  readonly isRepeated: boolean
}

export function createFileSent(needs: FileSentNeeds): FileSent {
  const { store, config, countSends, fileMessages, removal, discardBlobs, log, metrics, wallClock } = needs
  const { limits } = config
  const admitSends = createAdmitSends({ countSends, limits })
  const sendTogether = store.batched<ToSend, Done>({ run: sendBatch, sizeBytes: ({ mail }) => mail.content.sizeBytes })

  return async function fileSent(actor, mail) {
    const { inbox, content, recipients } = mail
    try {
      const { result, blobs, heldBy, isRepeated } = await sendTogether({ actor, mail }, optionsOf(mail))
      metrics.messagesSent.inc()
      const line = {
        messageId: result.messageId,
        from: inbox.address,
        ...loggedAddresses('recipients', recipients),
        sizeBytes: content.mailBytes,
        ms: wallClock() - mail.beganAt,
      }
      if (heldBy === LOOP_GUARD) log.warn(line, 'message held: too many replies in its thread within an hour')
      else log.info(line, heldBy ? 'message accepted and held' : 'message accepted for delivery')
      await discardBlobs(blobs)
      if (isRepeated) await content.discard()
      return result
    } catch (error) {
      await content.discard(error)
      throw error
    }
  }

  function optionsOf({ inbox, content: { parsed }, recipients, messageId, first, last }: SentMail) {
    const rows = rowsOfContent(parsed) + rowsOfFiling(parsed, limits) + recipients.length
    const isLong = rows > limits.messages.shortFilingRowsMax
    const turn = turnOf({ organizationId: inbox.organization_id, podId: inbox.pod_id })
    return {
      // Drafts and messages of mail programs change other rows, which another message of the batch may read.
      isAlone: messageId === undefined || first !== undefined || last !== undefined,
      fairnessKey: isLong ? turn.fairnessKey : undefined,
    }
  }

  async function sendBatch(tx: Tx, batch: readonly ToSend[]): Promise<readonly BatchResult<Done>[]> {
    const admitted = await admitSends(tx, batch)
    const begun: Begun[] = []
    for (const [index, toSend] of batch.entries()) {
      const inbox = admitted[index]!
      if (isAdmitted(inbox)) begun.push(await begin(tx, toSend, inbox, begun))
    }
    if (begun.length === 0) return admitted as NotAdmitted[]

    const filed = await fileMessages(
      tx,
      begun.map(({ filing }) => filing),
    )
    const stored: Stored[] = []
    for (const [index, send] of begun.entries()) stored.push(await storedAs(tx, send, filed[index]!))
    await enqueueSubmissions(
      tx,
      begun.map((send, index) => submissionOf(tx, send, stored[index]!)),
    )
    const done = new Map<SentMail, Done>()
    for (const [index, send] of begun.entries()) done.set(send.mail, await end(tx, send, stored[index]!))
    return batch.map(({ mail }, index) => done.get(mail) ?? (admitted[index] as NotAdmitted))
  }

  /** @param earlier those of the same batch that are sent before it */
  async function begin(tx: Tx, { actor, mail }: ToSend, inbox: InboxRow, earlier: readonly Begun[]): Promise<Begun> {
    const { first, isHeld = false, content, messageId } = mail
    const blobs = (await first?.(tx)) ?? []
    const answers = await answered(tx, mail)
    const isLoop = !isHeld && (await isBeyondBudget(tx, answers, config, repliesIn(answers.threadId, earlier)))
    const heldBy = isLoop ? LOOP_GUARD : isHeld ? actor : undefined
    const filing: Filing = {
      inbox,
      content,
      labels: [...(heldBy ? [] : ['sent']), ...mail.labels],
      ...(messageId !== undefined && { apiMessageId: messageId, hasNewId: true }),
      bcc: mail.bcc,
      threadId: mail.threadId,
      authentication: { result: 'own' },
      verifiedDomain: splitAddress(inbox.address).domain,
    }
    return { actor, mail, inbox, heldBy, filing, blobs }
  }

  function submissionOf(tx: Tx, { mail, inbox, heldBy }: Begun, { id, contentId }: Stored): NewSubmission {
    return {
      id: tx.newId(),
      kind: 'message',
      message_id: id,
      content_id: contentId,
      dkim_selector: mail.selector,
      inbox,
      sender: mail.envelopeSender,
      recipients: mail.recipients,
      ...(mail.needsSmtpUtf8 && { needsSmtpUtf8: true }),
      ...(heldBy && { heldBy }),
    }
  }

  async function end(tx: Tx, { actor, mail, inbox, heldBy, blobs }: Begun, stored: Stored): Promise<Done> {
    const { recipients, keyClaim, last, dropped, content } = mail
    const { id, threadId, messageId, labels, isRepeated } = stored
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
    const result: Sent = { id, messageId, threadId, inboxId: inbox.id, ...(dropped && { dropped }) }
    // One that is held is sent when it is released (queue-change.ts).
    if (!heldBy) await recordReply(tx, actorName(actor), inbox, content.parsed.inReplyTo)
    await recordResult(tx, keyClaim, result)
    await last?.(tx, result, inbox)
    return { result, blobs: [...blobs, ...stored.blobs], heldBy, isRepeated }
  }

  /** The message may be one that the inbox has sent before: a program sends it again, or to more recipients. */
  async function storedAs(tx: Tx, { inbox, filing, heldBy }: Begun, filed: Filed): Promise<Stored> {
    const { labels } = filing
    if (!filed.existing) return { ...filed, labels, blobs: [], isRepeated: false }
    const { header_message_id_hash: idHash, fingerprint } = filed.existing
    const own = await placedMessages.listOwn(tx, { inboxId: inbox.id, idHash: idHash!, fingerprint })
    const sent = own.find((row) => row.verified_domain !== null)
    if (sent) return { ...(await sentAgain(tx, inbox, sent, heldBy)), blobs: [], isRepeated: true }
    // A message that is held is not in Sent, and may never be sent: its program keeps what it has saved.
    const copy = heldBy ? undefined : own.find((row) => row.hidden === 0)
    const taken = copy && (await replaceCopy(tx, copy, labels))
    // A received message has other bytes than ours: it has trace fields, and no signature. It may have this id.
    const apiMessageId = copy?.api_message_id ?? messageIdFrom(tx.newId(), splitAddress(inbox.address).domain)
    const refiled = { ...filing, labels: taken?.labels ?? labels, apiMessageId }
    const [other] = (await fileMessages(tx, [refiled])) as [Filed & { existing?: undefined }]
    return { ...other, labels: refiled.labels, blobs: taken?.blobs ?? [], isRepeated: false }
  }

  /**
   * A program has appended the message to Sent before it submits it. What is stored is what is sent: signed, and without Bcc. It gets the
   * labels of the copy, and its id.
   */
  async function replaceCopy(tx: Tx, copy: StoredMessageRow, labels: readonly string[]) {
    const own = (await labelsOf(tx, [copy.id])).get(copy.id) ?? []
    const blobs = await removal.remove(tx, copy.inbox_id, [copy])
    return {
      blobs,
      labels: [...new Set([...labels, ...own.filter((label) => label !== 'sent' && label !== 'unread')])].sort(),
    }
  }

  async function sentAgain(
    tx: Tx,
    inbox: InboxRow,
    row: NewMessageRow,
    heldBy: Actor | undefined,
  ): Promise<Omit<Stored, 'blobs' | 'isRepeated'>> {
    const labels = heldBy
      ? ((await labelsOf(tx, [row.id])).get(row.id) ?? [])
      : await changeLabels(tx, 'system:sending', row, inbox.address, { add: ['sent'] })
    return {
      id: row.id,
      threadId: row.thread_id,
      messageId: row.api_message_id,
      contentId: row.content_id,
      labels,
    }
  }

  /** Returns what a message answers: its caller knows it, or its header says it. Some programs write only References. */
  async function answered(tx: Tx, { inbox, content, messageId, ...mail }: SentMail): Promise<Answered> {
    if (messageId !== undefined || config.threadRepliesMax === 'off') return mail
    const { inReplyTo, references } = content.parsed
    const hashes = lookupHashes(relativesOf({ inReplyTo, references }))
    if (hashes.length === 0) return {}
    const rows = hashes.map((hash) => ({ inbox_id: inbox.id, hash }))
    const [threads] = await tx.runRows([rowStep(selectByReferences, rows)])
    const nearest = hashes.flatMap((hash) => threads.find((thread) => thread.hash === hash) ?? [])[0]
    return { inReplyTo: inReplyTo[0] ?? references.at(-1), threadId: nearest?.id }
  }
}

/** Counts the replies in a thread as `countSentReplies` does, which does not see those of the same batch. */
function repliesIn(threadId: string | undefined, sends: readonly Begun[]): number {
  const isReply = ({ inReplyTo, references }: PreparedContent['parsed']) => inReplyTo.length + references.length > 0
  return sends.filter(({ filing }) => filing.threadId === threadId && isReply(filing.content.parsed)).length
}
