/**
 * From a checked draft to a queued mail: compose, sign, spool, and then in one transaction the sent copy, the
 * submission, a queue row per recipient, the event and the remembered answer. What is answered with an id is on disk.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import { splitAddress } from '../../../formats/address/address.ts'
import { signMessage } from '../../../formats/dkim/dkim-sign.ts'
import { messageIdFrom, uuidv7 } from '../../../formats/ids.ts'
import { composeMessage } from '../../../formats/mime/mime-compose.ts'
import type { Metrics } from '../../../metrics.ts'
import type { Tx } from '../../../store/handles.ts'
import type { RecipientRow } from '../../../store/schema/sending-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as submissions from '../../../store/tables/submissions-table.ts'
import { assertKeyUnchanged, lockInbox } from '../../access/access.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import type { Domains } from '../../domains/domains.ts'
import { messageSent } from '../../events/log/message-events.ts'
import { type Contents, insertContent } from '../../messages/content/contents.ts'
import type { MailParser } from '../../messages/content/parse-worker.ts'
import type { Filing } from '../../messages/filing.ts'
import { type Attempt, remember } from '../idempotency/idempotency.ts'
import { type Draft, envelopeRecipients } from './draft.ts'
import type { Sent } from './outgoing.ts'

/** A draft with the place in a thread that its kind gives it. */
export interface PlacedDraft extends Draft {
  readonly inReplyTo?: string
  readonly references?: readonly string[]
  readonly threadId?: string
}

export type Submit = (actor: Actor, inbox: InboxRow, draft: PlacedDraft, attempt: Attempt) => Promise<Sent>

interface SubmitNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'messageBytesMax'>
  readonly domains: Domains
  readonly contents: Contents
  readonly mailParser: MailParser
  readonly file: (tx: Tx, filing: Filing) => Promise<{ id: string; threadId: string }>
  readonly metrics: Metrics
  readonly clock: () => number
  readonly random: (bytes: number) => Buffer
}

const VERP_BYTES = 10
const BOUNDARY_BYTES = 12

export function createSubmit(needs: SubmitNeeds): Submit {
  const { store, config, domains, contents, mailParser, file, metrics, clock, random } = needs

  return async function submit(actor, inbox, draft, attempt) {
    store.requireRoom()
    const now = clock()
    const { domain } = splitAddress(inbox.address)
    const messageId = messageIdFrom(uuidv7(now, random(10)), domain)
    const { mail, selector } = await compose(inbox, draft, messageId, now)
    const spooled = await contents.spool(Buffer.alloc(0), chunksOf(mail), config.messageBytesMax)
    let packed: Awaited<ReturnType<Contents['spoolReading']>> | undefined
    try {
      const peer = `organization ${inbox.organization_id}`
      const parsedMail = await mailParser.read({ peer, sizeBytes: mail.length, load: async () => mail })
      packed = await contents.spoolReading(parsedMail)
      const stored = packed
      const sent = await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const current = await lockInbox(tx, actor, 'message_send', inbox.id)
        const content = await insertContent(tx, spooled, parsedMail, stored)
        const labels = ['sent', ...draft.labels]
        const { id, threadId } = await file(tx, {
          inbox: current,
          content,
          parsedMail,
          labels,
          apiMessageId: messageId,
          bcc: draft.bcc,
          threadId: draft.threadId,
          authentication: { result: 'own' },
          verifiedDomain: domain,
          metric: 'sent',
        })
        await enqueue(tx, current, id, content.id, draft, selector)
        const message = {
          id,
          organizationId: current.organization_id,
          podId: current.pod_id,
          inboxId: current.id,
          inboxAddress: current.address,
          threadId,
          messageId,
          labels,
        }
        tx.append(
          messageSent({ actor: actorName(actor), message, timestamp: tx.now, recipients: envelopeRecipients(draft) }),
        )
        const answer = { messageId, threadId }
        await remember(tx, attempt, answer)
        return answer
      })
      metrics.messagesSent.inc()
      return sent
    } catch (error) {
      await contents.discardAfter(error, spooled.blobKey, packed?.parsedBlobKey)
      throw error
    }
  }

  async function compose(
    inbox: InboxRow,
    draft: PlacedDraft,
    messageId: string,
    now: number,
  ): Promise<{ mail: Buffer; selector: string | null }> {
    const { domain } = splitAddress(inbox.address)
    requireSize(leastSize(draft)) // composing takes time and memory in proportion
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
        content: attachment.content,
        ...(attachment.filename !== undefined && { filename: attachment.filename }),
        ...(attachment.contentType !== undefined && { contentType: attachment.contentType }),
        ...(attachment.disposition !== undefined && { disposition: attachment.disposition }),
        ...(attachment.contentId !== undefined && { contentId: attachment.contentId }),
      })),
    })
    requireSize(composed.length)
    const key = await domains.signingKey(domain)
    if (!key) return { mail: composed, selector: null }
    const { selector, privateKey } = key
    return { mail: await signMessage(composed, { domain, selector, privateKey, signedAt: new Date(now) }), selector }
  }

  function requireSize(bytes: number): void {
    if (bytes > config.messageBytesMax) throw new MailError('message_too_large', { limitBytes: config.messageBytesMax })
  }

  async function enqueue(
    tx: Tx,
    inbox: InboxRow,
    messageId: string,
    contentId: string,
    draft: Draft,
    selector: string | null,
  ): Promise<void> {
    const submissionId = tx.newId()
    const addresses = envelopeRecipients(draft)
    const recipients = addresses.map(
      (address, position): RecipientRow => ({
        id: tx.newId(),
        submission_id: submissionId,
        message_id: messageId,
        position,
        address,
        domain: splitAddress(address).domain,
        organization_id: inbox.organization_id,
        inbox_id: inbox.id,
        state: 'queued',
        route: null,
        delay_notice_at: null,
        released_at: null,
        attempts: 0,
        next_attempt_at: tx.now,
        lease_owner: null,
        lease_until: null,
        interruptions: 0,
        last_code: null,
        last_enhanced_code: null,
        last_reply: null,
        created_at: tx.now,
        updated_at: tx.now,
      }),
    )
    const submission = {
      id: submissionId,
      organization_id: inbox.organization_id,
      inbox_id: inbox.id,
      message_id: messageId,
      content_id: contentId,
      kind: 'message' as const,
      envelope_sender: inbox.address,
      verp_token: random(VERP_BYTES).toString('hex'),
      dkim_selector: selector,
      smtputf8: [inbox.address, ...addresses].some((address) => /[^\x20-\x7e]/.test(address)) ? 1 : 0,
      created_at: tx.now,
    }
    await submissions.insert(tx, submission, recipients)
  }
}

/** Bytes that a message has at least, however it is encoded. */
function leastSize({ attachments, text = '', html = '' }: Draft): number {
  return attachments.reduce((sum, { content }) => sum + content.length, text.length + html.length)
}

async function* chunksOf(mail: Buffer): AsyncGenerator<Buffer> {
  yield mail
}
