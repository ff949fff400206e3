/**
 * Bounce notices (`bounce`) and delay notices (`delay`) to the sender of a message. Each is a submission by Martlet
 * itself, queued in the transaction of the outcome that it reports (docs/adr/0014). It is addressed to the envelope sender if that is the
 * address of the sending inbox, perhaps with a plus tag, and otherwise to the address of that inbox. The queue's local target files it there
 * like any message, in the thread of the sent one.
 *
 * A notice has the null sender, so that it causes no further notice (RFC 5321 §4.5.5). It is not signed, because it
 * never leaves this server.
 */

import type { Limits } from '../../../config/limits.ts'
import { splitAddress } from '../../../formats/address/address.ts'
import { composeNotice, type NoticeRecipient, noticeStatus } from '../../../formats/dsn/dsn.ts'
import { messageIdFrom } from '../../../formats/ids.ts'
import type { Log } from '../../../log.ts'
import type { Tx } from '../../../store/handles.ts'
import type { RecipientRow, SubmissionRow } from '../../../store/schema/sending-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import * as domains from '../../../store/tables/domains-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import { findForeign, isAddressOf } from '../../inboxes/own-address.ts'
import { type Contents, loadContent } from '../../messages/content/contents.ts'
import { insertUnparsed } from '../../messages/content/insert-content.ts'
import type { Outcome } from '../targets/delivery-target.ts'
import { enqueueSubmission } from './enqueue-submission.ts'

/** A recipient in a notice, with the attempt that decided its outcome. */
export interface Reported {
  readonly row: RecipientRow
  readonly outcome: Outcome
}

export interface BounceNotices {
  /**
   * Reads the beginning of a submission's message, before the transaction. Returns an empty buffer when it cannot be
   * read: that must not lose an outcome, and a notice works without it.
   */
  readHead(submission: SubmissionRow): Promise<Buffer>

  /**
   * Queues one notice for all of these recipients. Queues none when the submission is a notice itself, when its inbox
   * no longer exists, or when there are no recipients.
   *
   * @param messageId of the submission's message, while it exists
   */
  enqueue(
    tx: Tx,
    kind: 'bounce' | 'delay',
    about: { readonly submission: SubmissionRow; readonly head: Buffer; readonly messageId?: string | undefined },
    reported: readonly Reported[],
  ): Promise<void>
}

interface NoticesNeeds {
  readonly contents: Contents
  /** Name of this server. */
  readonly hostname: string
  readonly log: Log
  readonly limits: Limits
}

export function createBounceNotices({ contents, hostname, log, limits }: NoticesNeeds): BounceNotices {
  return {
    async readHead(submission) {
      if (!canReceiveNotice(submission)) return Buffer.alloc(0)
      try {
        const range = { start: 0, end: limits.delivery.noticeHeaderBytesMax }
        return await loadContent(contents, submission.content_id, range)
      } catch (error) {
        log.warn({ err: error, submission: submission.id }, 'a message cannot be read; its notice lacks the header')
        return Buffer.alloc(0)
      }
    },

    async enqueue(tx, kind, { submission, head, messageId }, reported) {
      if (reported.length === 0 || !canReceiveNotice(submission)) return
      const inbox = await inboxes.getById(tx, submission.inbox_id)
      if (!inbox || (await domains.getById(tx, inbox.domain_id))?.feedback_enabled === 0) return
      const { domain } = splitAddress(inbox.address)
      const id = tx.newId()
      const mail = composeNotice({
        action: kind === 'bounce' ? 'failed' : 'delayed',
        messageId: messageIdFrom(id, domain),
        date: new Date(tx.now),
        boundary: tx.newId(),
        reportingMta: hostname,
        fromDomain: domain,
        to: await shownRecipient(tx, inbox, submission),
        recipients: reported.map((each) => noticeRecipient(tx, kind, each)),
        original: { arrivedAt: new Date(submission.created_at), messageId, head },
      })
      await enqueueSubmission(tx, {
        id,
        kind,
        message_id: null,
        content_id: await insertUnparsed(tx, mail),
        dkim_selector: null,
        inbox,
        sender: '',
        recipients: [recipientOf(inbox, submission)],
      })
    },
  }

  function noticeRecipient(tx: Tx, kind: 'bounce' | 'delay', { row, outcome }: Reported): NoticeRecipient {
    const ageStartAt = ageStartOf(row)
    return {
      address: row.address,
      status: statusOf(kind, outcome),
      code: outcome.code,
      reply: outcome.reply,
      remote: outcome.remote,
      lastAttemptAt: new Date(tx.now),
      attempts: row.attempts + 1,
      ...(kind === 'bounce' && outcome.kind === 'failed_for_now' && { triedForMs: tx.now - ageStartAt }),
      ...(kind === 'delay' && { willRetryUntil: new Date(ageStartAt + limits.delivery.retryForMs) }),
    }
  }
}

/**
 * RFC 5321 §6.1: the envelope sender, perhaps with a plus tag. Not an alias: the notice may be delivered days later, when the alias is
 * deleted, or the address of someone else.
 */
function recipientOf(inbox: InboxRow, { envelope_sender: sender }: SubmissionRow): string {
  return isAddressOf(inbox, sender) ? sender : inbox.address
}

/** For `To:`: the envelope sender, also if it is an alias, but not one that was removed since then. */
async function shownRecipient(tx: Tx, inbox: InboxRow, { envelope_sender: sender }: SubmissionRow): Promise<string> {
  return (await findForeign(tx, inbox, [sender])) === undefined ? sender : inbox.address
}

/** The start of a recipient's age: a manual release restarts it. */
export function ageStartOf(row: Pick<RecipientRow, 'created_at' | 'released_at'>): number {
  return row.released_at ?? row.created_at
}

/** The enhanced status code that the notice and the event report for a failure or delay. */
export function statusOf(kind: 'bounce' | 'delay', { kind: outcome, enhancedCode }: Outcome): string {
  if (kind === 'delay') return noticeStatus('delayed', enhancedCode)
  return noticeStatus(outcome === 'failed_for_good' ? 'permanent' : 'expired', enhancedCode)
}

/** RFC 5321 §6.1: mail with a null sender causes no notice. All mail by Martlet itself has a null sender. */
function canReceiveNotice(submission: SubmissionRow): submission is SubmissionRow & { readonly inbox_id: string } {
  return submission.envelope_sender !== '' && submission.inbox_id !== null
}
