/**
 * Sends a checked message: composes, signs and prepares it; file-sent.ts stores and queues it. When the call returns an id, all
 * of it is on disk.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import type { EventLoop } from '../../../event-loop.ts'
import { splitAddress } from '../../../formats/address/address.ts'
import { signMessage } from '../../../formats/dkim/dkim-sign.ts'
import { messageIdFrom, UUID_RANDOM_BYTES, uuidv7 } from '../../../formats/ids.ts'
import type { Tx } from '../../../store/handles.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import type { Actor } from '../../access/actor.ts'
import type { Domains } from '../../domains/domains.ts'
import { turnOf } from '../../jobs/turn-queue.ts'
import type { PrepareContent } from '../../messages/content/prepared-content.ts'
import type { KeyClaim } from '../idempotency/idempotency.ts'
import { envelopeRecipients } from './checked-message.ts'
import type { ComposeMail, ThreadedMessage } from './compose-mail.ts'
import type { FileSent } from './file-sent.ts'
import type { Sent } from './outgoing.ts'
import { requireActive } from './require-sendable.ts'

export interface Submission {
  /** As it was when the request began; it is locked and read again in the transaction. */
  readonly inbox: InboxRow
  readonly message: ThreadedMessage
  /** The permission that the call needs. */
  readonly permission: 'message_send' | 'draft_send'
  readonly keyClaim: KeyClaim
  /** Its recipients are held. It gets the label and the event of a sent message when it is released (queue-change.ts). */
  readonly isHeld?: boolean | undefined
  /** See `SentMail`. */
  readonly first?: (tx: Tx) => Promise<readonly (string | null)[]>
  readonly last?: (tx: Tx, sent: Sent, inbox: InboxRow) => Promise<void>
}

/** @throws what `FileSent` throws; message_too_large; the errors of prepareContent */
export type Submit = (actor: Actor, submission: Submission) => Promise<Sent>

interface SubmitNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'messageBytesMax'>
  readonly domains: Domains
  readonly composeMail: ComposeMail
  readonly prepareContent: PrepareContent
  readonly fileSent: FileSent
  /** The clock of the machine, epoch ms. */
  readonly wallClock: () => number
  readonly random: (bytes: number) => Buffer
  readonly eventLoop: Pick<EventLoop, 'createWorkQueue' | 'nextTurn'>
}

export function createSubmit(needs: SubmitNeeds): Submit {
  const { store, config, domains, composeMail, prepareContent, fileSent, wallClock, random, eventLoop } = needs
  const workQueue = eventLoop.createWorkQueue()

  return async function submit(actor, submission) {
    const { inbox, message, permission, keyClaim, first, last, isHeld } = submission
    store.checkWritable()
    requireActive(inbox) // a paused inbox composes nothing; the transaction checks again
    // Composing takes about a millisecond, after steps in which other requests got as far.
    await workQueue.wait()
    const now = wallClock()
    const messageId = messageIdFrom(uuidv7(now, random(UUID_RANDOM_BYTES)), splitAddress(inbox.address).domain)
    const { raw, selector } = await sign(inbox, await composeMail(inbox, message, messageId, now), now)
    const turn = turnOf({ organizationId: inbox.organization_id, podId: inbox.pod_id })
    const content = await prepareContent({ ...turn, raw, bytesMax: config.messageBytesMax })
    const recipients = envelopeRecipients(message)
    const { bcc, labels, threadId, inReplyTo, dropped } = message
    return fileSent(actor, {
      ...{ inbox, permission, keyClaim, first, last, isHeld, messageId, content, selector },
      ...{ envelopeSender: inbox.address, recipients, bcc, labels, threadId, inReplyTo, dropped },
      beganAt: now,
    })
  }

  async function sign(inbox: InboxRow, raw: Buffer, now: number): Promise<{ raw: Buffer; selector: string }> {
    const { domain } = splitAddress(inbox.address)
    const key = await domains.signingKey(inbox.domain_id)
    if (!key) throw new MailError('domain_not_verified', { domain }) // it was deleted
    const { selector, privateKey } = key
    const signing = { domain: key.domain, selector, privateKey, signedAt: new Date(now) }
    return { raw: await signMessage(raw, signing, eventLoop.nextTurn), selector }
  }
}
