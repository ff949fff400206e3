/**
 * Sends a message that a mail program has composed (SMTP submission): raw bytes and an envelope, under the rules of all other mail
 * (docs/adr/0058).
 *
 *   sender → recipients → spool → check and sign (sign-raw.ts) → parse → idempotency → file and queue (file-sent.ts)
 *
 * Crash before the commit: the program got no reply, and sends it again.
 */
import type { Config } from '../../../config/settings.ts'
import { isMailError, MailError } from '../../../errors.ts'
import type { EventLoop } from '../../../event-loop.ts'
import { normaliseAddress, withoutTag } from '../../../formats/address/address.ts'
import type { Tx } from '../../../store/handles.ts'
import type { DraftRow } from '../../../store/schema/draft-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import * as listEntries from '../../../store/tables/list-entries-table.ts'
import { requireInbox } from '../../access/access.ts'
import { actorName, type KeyActor } from '../../access/actor.ts'
import type { Login } from '../../access/keys/logins.ts'
import { draftSent } from '../../events/log/draft-events.ts'
import { findDenials } from '../../inboxes/lists/find-denials.ts'
import { findForeign } from '../../inboxes/own-address.ts'
import { turnOf } from '../../jobs/turn-queue.ts'
import type { PrepareContent } from '../../messages/content/prepared-content.ts'
import type { FileSent } from '../compose/file-sent.ts'
import type { Sent } from '../compose/outgoing.ts'
import { requireAnswerableByHeader } from '../compose/reply-loops.ts'
import { refusalOf, requireActive } from '../compose/require-sendable.ts'
import { refuseIfSending } from '../drafts/draft-lookup.ts'
import { type DraftReference, findMatchingDraft } from '../drafts/matching-draft.ts'
import { type Idempotency, keyUse } from '../idempotency/idempotency.ts'
import { recordSentDraft } from '../idempotency/sent-drafts.ts'
import type { SignedRaw, SignRaw } from './sign-raw.ts'

/** A draft that is removed because its message is sent. */
interface CompletedDraft {
  readonly row?: DraftRow
  /** To discard after the commit. */
  readonly blobs: readonly string[]
}

/**
 * A draft that a mail program sends is complete: it is removed with its revisions.
 *
 * @throws draft_sending
 */
async function completeDraft(tx: Tx, inbox: InboxRow, header: DraftReference): Promise<CompletedDraft> {
  const scope = { organizationId: inbox.organization_id, inboxId: inbox.id }
  const row = await findMatchingDraft(tx, scope, header, tx.leaseNow)
  if (!row) return { blobs: [] }
  refuseIfSending(row)
  const unused = (await drafts.remove(tx, row.id)) ?? []
  return { row, blobs: await contents.removeUnused(tx, unused) }
}

/** Writes what a call that sends a draft writes (../drafts/send-draft.ts): the event, and the record for repeated calls. */
async function recordCompletion(
  tx: Tx,
  actor: KeyActor,
  inbox: InboxRow,
  draft: DraftRow,
  message: Sent,
): Promise<void> {
  tx.append(draftSent({ actor: actorName(actor), inboxAddress: inbox.address, draft, message }))
  await recordSentDraft(tx, inbox, draft.client_id, message)
}

/** The inbox that sends, and its envelope sender. */
export interface RawSender {
  readonly actor: KeyActor
  readonly inbox: InboxRow
  /** Normalised; perhaps with a plus tag. Bounces go there. */
  readonly address: string
}

export interface RawSending {
  /**
   * Checks whether this login may send from the address, and whether a message can be accepted now.
   *
   * @param sender of the envelope
   * @throws sender_not_allowed, missing_permission, inbox_paused, disk_full, shutting_down, unavailable
   */
  openSender(login: Login, sender: string): Promise<RawSender>
  /**
   * Refuses a recipient to which the inbox may not send, before the message arrives. `send` checks again.
   *
   * @param recipient normalised
   * @throws message_rejected
   */
  checkRecipient(sender: RawSender, recipient: string): Promise<void>
  /**
   * Resolves when message, queue rows and event are on disk. A repeated message with the same X-AgentMail-Idempotency-Key gets the first
   * result, and is not sent again.
   *
   * @param recipients normalised, each once
   * @param isSmtpUtf8 the program has announced internationalized fields (RFC 6531)
   * @param raw the message as received: CRLF lines, dots unstuffed
   * @throws author_not_allowed, malformed_message, message_rejected, automatic_loop, organization_unverified, rate_limit_exceeded
   * @throws parse_queue_full, message_too_large; as Sending.reply; what `raw` throws
   */
  send(
    sender: RawSender,
    mail: { readonly recipients: readonly string[]; readonly isSmtpUtf8: boolean; readonly raw: AsyncIterable<Buffer> },
  ): Promise<Sent>
}

interface RawSendingNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'messageBytesMax' | 'limits'>
  readonly prepareContent: PrepareContent
  readonly signRaw: SignRaw
  readonly fileSent: FileSent
  readonly idempotency: Idempotency
  readonly eventLoop: Pick<EventLoop, 'createWorkQueue'>
}

export function createRawSending(needs: RawSendingNeeds): RawSending {
  const { store, config, prepareContent, signRaw, fileSent, idempotency, eventLoop } = needs
  const workQueue = eventLoop.createWorkQueue()

  return {
    async openSender({ actor, inbox: own }, sender) {
      const address = normaliseAddress(sender)
      if (address === undefined || (own && (await findForeign(store.db, own, [address])) !== undefined)) {
        throw new MailError('sender_not_allowed', { sender })
      }
      const inbox = await findInbox(actor, own?.id ?? withoutTag(address), sender)
      store.checkWritable()
      requireActive(inbox)
      return { actor, inbox, address }
    },

    async checkRecipient({ inbox }, recipient) {
      if (!(await listEntries.isAnyListed(store.db, inbox.organization_id, 'send'))) return
      const question = { inbox, direction: 'send', addresses: [recipient] } as const
      const denials = (await store.transaction((tx) => findDenials(tx, [question]))).flat()
      if (denials.length > 0) throw refusalOf(inbox, denials)
    },

    async send({ actor, inbox, address }, { recipients, isSmtpUtf8, raw }) {
      const content = await prepareContent<SignedRaw>({
        ...turnOf({ organizationId: inbox.organization_id, podId: inbox.pod_id }),
        raw: { head: Buffer.alloc(0), chunks: raw },
        bytesMax: config.messageBytesMax,
        check: async (arrived) => {
          await workQueue.wait() // signing takes about a millisecond
          return signRaw(inbox, recipients, arrived)
        },
      })
      const { idempotencyKey, header, signedAt, ...signed } = content.checked
      let completed: CompletedDraft = { blobs: [] }
      const sent = {
        ...({ inbox, content, permission: 'message_send', recipients, labels: [] } as const),
        ...signed,
        beganAt: signedAt,
        envelopeSender: address,
        // An alias may have been removed since then.
        first: async (tx: Tx) => {
          const foreign = await findForeign(tx, inbox, [address, header.author, ...header.senders])
          if (foreign !== undefined) throw new MailError('sender_not_allowed', { sender: foreign })
          completed = await completeDraft(tx, inbox, header)
          return completed.blobs
        },
        last: async (tx: Tx, message: Sent, locked: InboxRow) => {
          const { row: draft } = completed
          if (draft) await recordCompletion(tx, actor, locked, draft, message)
        },
        needsSmtpUtf8: isSmtpUtf8 && header.hasUtf8,
      }
      // Programs compose a message again when they repeat it: another Date, Message-ID and boundary.
      const { author, subject } = header
      const request = { endpoint: 'submission', inbox: inbox.id, author, recipients: recipients.toSorted(), subject }
      let isFiled = false
      try {
        return await idempotency.once(keyUse(actor, inbox, idempotencyKey), request, async (keyClaim) => {
          await requireAnswerableByHeader({ store }, inbox.id, content.parsed)
          isFiled = true
          return fileSent(actor, { ...sent, keyClaim })
        })
      } finally {
        if (!isFiled) await content.discard() // a repeated message; file-sent.ts discards the content if it fails
      }
    },
  }

  /** @throws sender_not_allowed for what is outside the scope of the actor; missing_permission */
  async function findInbox(actor: KeyActor, ref: string, sender: string): Promise<InboxRow> {
    try {
      return await requireInbox(store.db, actor, 'message_send', ref)
    } catch (error) {
      throw isMailError(error, 'not_found') ? new MailError('sender_not_allowed', { sender }) : error
    }
  }
}
