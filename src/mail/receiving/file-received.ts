/**
 * Files received messages in their inboxes, each with its event, or recognises that an inbox already has one. Runs inside
 * the caller's transaction.
 */
import type { Limits } from '../../config/limits.ts'
import type { Config } from '../../config/settings.ts'
import { networkOf } from '../../formats/address/peer-network.ts'
import type { Tx } from '../../store/handles.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import type { RecipientInboxRow } from '../../store/tables/inboxes-table.ts'
import * as messages from '../../store/tables/messages-table.ts'
import * as threads from '../../store/tables/threads-table.ts'
import { type EventMessage, messageReceived, type ThreadSnapshot } from '../events/log/message-events.ts'
import { CHALLENGE_SENDER, NOTIFY_BY_MAIL } from '../jobs/job-kinds.ts'
import { enqueue } from '../jobs/jobs.ts'
import type { Authentication } from '../messages/authentication.ts'
import type { PreparedContent } from '../messages/content/prepared-content.ts'
import { bareThread } from '../messages/filing/filed-thread.ts'
import type { FileMessages, Filing } from '../messages/filing/filing.ts'
import { changeLabels } from '../messages/labels/labels.ts'
import { eventThreadMask } from '../messages/views/event-message.ts'
import { showThreads } from '../messages/views/message-views.ts'
import type { Receipt } from './arrival.ts'
import { findBlocked } from './blocked-senders.ts'
import { isChallenged } from './challenges/challenge-rules.ts'
import { senderClaim } from './challenges/sender-claim.ts'
import type { FilingDecision } from './policy/delivery-verdict.ts'
import { labelRepeated, recordKeys } from './repeated-keys.ts'

export interface Received {
  /** Envelope sender. */
  readonly sender: string
  /** The domain of its only From address, if the sender is authenticated for it. */
  readonly verifiedDomain: string | undefined
  /** The inboxes are locked. */
  readonly recipients: readonly {
    readonly recipient: string
    readonly inbox: RecipientInboxRow
    readonly authentication: Authentication
  }[]
  readonly content: PreparedContent
  /** Its labels are those in all inboxes; lists of an inbox may add `blocked`. */
  readonly decision: FilingDecision
  /** The peer's IP address; undefined for local delivery. */
  readonly remoteAddress: string | undefined
  /** Its From is in a domain of a tenant of this server, which has not confirmed it. */
  readonly isFromOwnDomain: boolean
  /** It was submitted here and never left this system. */
  readonly isFromQueue: boolean
}

/** @returns for each message, one receipt per recipient, in their order */
export type FileReceived = (tx: Tx, received: readonly Received[]) => Promise<Receipt[][]>

interface FileReceivedNeeds {
  readonly fileMessages: FileMessages
  /** Whether entries of allow lists permit only authenticated senders. */
  readonly allowLists: Config['allowLists']
  readonly senderChallenges: Config['senderChallenges']
  readonly limits: Limits
}

const ACTOR = 'system:receiving'
const RECEIVED = ['received', 'unread'] as const

/** A message for one inbox, and the indexes of its recipients. Several may be the same inbox: with plus-tags, or role names. */
interface ForInbox {
  readonly received: Received
  readonly inbox: RecipientInboxRow
  readonly parsed: Received['content']['parsed']
  readonly verifiedDomain: string | undefined
  readonly recipients: number[]
}

export function createFileReceived({
  fileMessages,
  allowLists,
  senderChallenges,
  limits,
}: FileReceivedNeeds): FileReceived {
  return async function fileReceived(tx, all) {
    const forInboxes = all.map(splitByInbox)
    const inOrder = forInboxes.flat()
    const compared = inOrder.filter(({ received }) => !isNotice(received))
    const unlisted = inOrder.map((forInbox) => filingOf(forInbox, false))
    let listed: readonly Filing[] = unlisted
    let filings: readonly Filing[] = unlisted
    const filed = await fileMessages(tx, unlisted, async () => {
      const blocked = await findBlocked(tx, compared, allowLists)
      listed = inOrder.map((one, index) => (blocked.has(one) ? filingOf(one, true) : unlisted[index]!))
      filings = await labelRepeated(tx, listed, limits)
      return filings
    })
    await recordKeys(tx, filings, filed)
    const receipts = new Map<ForInbox, Pick<Receipt, 'id' | 'messageId' | 'isDuplicate'>>()
    for (const [index, one] of filed.entries()) {
      const forInbox = inOrder[index]!
      const { received } = forInbox
      const filing = filings[index]!
      if (one.existing) {
        if (received.isFromQueue) await appendReceivedIfSentHere(tx, filing.inbox, one.existing)
        receipts.set(forInbox, { id: one.existing.id, messageId: one.existing.api_message_id, isDuplicate: true })
      } else {
        const { id, threadId, messageId, thread } = one
        const isRepeated = filing !== listed[index]
        appendReceived(tx, filing.inbox, { id, threadId, messageId, labels: filing.labels }, thread!, isRepeated)
        if (isNotified(forInbox, isRepeated)) await enqueue(tx, { kind: NOTIFY_BY_MAIL, key: id })
        if (isChallenged(challengedMail(forInbox, filing, isRepeated), senderChallenges)) {
          const network = networkOf(received.remoteAddress ?? '')
          await enqueue(tx, { kind: CHALLENGE_SENDER, key: id, payload: { network } })
        }
        receipts.set(forInbox, { id, messageId, isDuplicate: false })
      }
    }
    return all.map(({ recipients }, index) =>
      recipients.map(({ recipient }, at) => {
        const forInbox = forInboxes[index]!.find((one) => one.recipients.includes(at))!
        const receipt = receipts.get(forInbox)!
        const inboxId = forInbox.inbox.id
        return { recipient, inboxId, ...receipt, isDuplicate: receipt.isDuplicate || forInbox.recipients[0] !== at }
      }),
    )
  }

  function filingOf({ received, inbox, recipients }: ForInbox, isBlocked: boolean): Filing {
    const { sender, content, decision } = received
    const labels = [...new Set([...RECEIVED, ...decision.labels, ...(isBlocked ? ['blocked'] : [])])].sort()
    const { recipient, authentication } = received.recipients[recipients[0]!]!
    const { verifiedDomain } = received
    const envelope = { sender, recipient }
    const { remoteAddress, isFromOwnDomain } = received
    const claiming = { sender, from: content.parsed.from, authentication, isFromOwnDomain, remoteAddress }
    const claim = verifiedDomain === undefined ? senderClaim(claiming, limits.challenges.claimCharsMax) : undefined
    const sentBy = { authentication, verifiedDomain, senderClaim: claim, spam: decision.spam }
    return { inbox, content, labels, envelope, threadMask: eventThreadMask(labels), ...sentBy }
  }

  /**
   * For mail to oneself, from our own queue: the sent message is now also received, with its event. A repeated delivery
   * changes nothing, and neither does a stranger who sends a message of this inbox back to it.
   */
  async function appendReceivedIfSentHere(tx: Tx, inbox: InboxRow, existing: messages.NewMessageRow): Promise<void> {
    const before = (await messages.labelsOf(tx, [existing.id])).get(existing.id) ?? []
    if (before.includes('received')) return
    const labels = await changeLabels(tx, ACTOR, existing, inbox.address, { add: RECEIVED })
    await threads.update(tx, existing.thread_id, { received_timestamp: tx.now })
    const about = { id: existing.id, threadId: existing.thread_id, messageId: existing.api_message_id, labels }
    const rows = await threads.listByIds(tx, [about.threadId])
    const [thread] = await showThreads(tx, rows, limits, eventThreadMask(labels))
    appendReceived(tx, inbox, about, thread ?? bareThread(tx, { ...about, id: about.threadId }))
  }

  function appendReceived(
    tx: Tx,
    inbox: InboxRow,
    about: Pick<EventMessage, 'id' | 'threadId' | 'messageId' | 'labels'>,
    thread: ThreadSnapshot,
    isRepeated = false,
  ): void {
    const message = {
      organizationId: inbox.organization_id,
      podId: inbox.pod_id,
      inboxId: inbox.id,
      inboxAddress: inbox.address,
      ...about,
    }
    tx.append(messageReceived({ actor: ACTOR, message, thread, isRepeated }))
  }
}

function splitByInbox(received: Received): ForInbox[] {
  const { verifiedDomain } = received
  const { parsed } = received.content
  const byInbox = new Map<string, ForInbox>()
  for (const [index, { inbox }] of received.recipients.entries()) {
    const known = byInbox.get(inbox.id)
    if (known) known.recipients.push(index)
    else byInbox.set(inbox.id, { received, inbox, parsed, verifiedDomain, recipients: [index] })
  }
  return [...byInbox.values()]
}

/** Whether a rule may mail a notification: not about what programs send by themselves, which would answer each other. */
function isNotified({ received, inbox, parsed }: ForInbox, isRepeated: boolean): boolean {
  return inbox.mails_notifications === 1 && !isRepeated && received.sender !== '' && parsed.isAutomatic !== true
}

function challengedMail({ received, inbox, parsed }: ForInbox, filing: Filing, isRepeated: boolean) {
  const { senderClaim, labels, envelope } = filing
  return { inbox, senderClaim, sender: received.sender, recipient: envelope!.recipient, parsed, labels, isRepeated }
}

/** A bounce or delay notice of Martlet itself, about mail that the inbox has sent: no list hides it. */
function isNotice({ isFromQueue, sender }: Received): boolean {
  return isFromQueue && sender === ''
}
