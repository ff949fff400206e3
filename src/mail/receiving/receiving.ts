/**
 * Receives a message: from an envelope and a stream of bytes to messages in inboxes, or to an error.
 *
 *   checkWritable → spool → authentication → policy → parse → file, in one transaction → receipts
 *
 * Called by the MX listener and by local delivery. The sender gets no reply before the commit, and no message is
 * refused for being malformed. Crash before the commit: the sender got no reply and retries.
 */

import type { Config } from '../../config/settings.ts'
import { MailError } from '../../errors.ts'
import type { EventLoop } from '../../event-loop.ts'
import { splitAddress, withoutTag } from '../../formats/address/address.ts'
import { networkOf } from '../../formats/address/peer-network.ts'
import { type Log, loggedAddresses, loggedText } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Tx } from '../../store/handles.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import { RUN_LATER, type Store } from '../../store/store.ts'
import type { ReceivingInbox } from '../../store/tables/receiving-inboxes-table.ts'
import { whenReady } from '../../when-ready.ts'
import { findReceiving, isAwaited } from '../domains/domains.ts'
import { postmasterAddress } from '../inboxes/inbox-address.ts'
import type { ArrivedMail, PrepareContent, PreparedContent } from '../messages/content/prepared-content.ts'
import { inParts, rowsOfContent, rowsOfFiling } from '../messages/estimated-rows.ts'
import type { Announced, Arrival, Envelope, Receipt } from './arrival.ts'
import { type Checks, type FiledSender, filedSender, type MessageChecks } from './check-message.ts'
import type { RecordComplaint } from './complaints.ts'
import { fileParts, type SharedContent, shareContent } from './file-in-parts.ts'
import type { FileReceived } from './file-received.ts'
import { isInboxFull } from './policy/inbox-quota.ts'
import { requireNoLoop } from './policy/mail-loops.ts'
import type { ReceivingRates } from './policy/receiving-rates.ts'
import { isPolicyRefusal, type Refusals } from './policy/refusals.ts'
import { createReceiveQueue } from './receive-queue.ts'
import type { RecipientInboxes } from './recipient-inboxes.ts'

export interface Receiving {
  /**
   * Whether mail for this address is accepted now: it has an inbox (recipient-inboxes.ts) that is not paused, unless mail for
   * paused inboxes is dropped, that has space, and that does not get too much mail.
   *
   * @param address normalised; a plus-tag is ignored
   * @returns a promise only if it has to wait
   * @throws unavailable when the store cannot be read
   */
  accepts(address: string, announced: Announced): boolean | Promise<boolean>

  /**
   * Returns the error for an address that `accepts` rejects, and records the refusal: `inbox_paused`, `inbox_full`,
   * `recipient_rate_exceeded`; `domain_not_verified` if a tenant has claimed its domain, and nobody has verified it;
   * `relaying_denied` if its domain is not one of ours; otherwise `unknown_recipient`. A peer whose MX record or relay is wrong must not conclude that a mailbox is missing.
   *
   * @throws unavailable when the store cannot be read
   */
  rejectionOf(address: string, announced: Announced): Promise<MailError>

  /**
   * Checks whether a new message can be accepted now, so that a peer gets the refusal before it sends its bytes.
   *
   * @throws disk_full, shutting_down, unavailable
   */
  checkWritable(): void

  /** Whether a new message would wait too long for our CPU or our disk (receive-queue.ts). */
  isOverloaded(): boolean

  /**
   * Files a message for every recipient, or throws. Resolves after the commit: from then on we are responsible for the
   * message (RFC 5321 §6.1). If it throws, no inbox has the message; except if it writes so many rows that it is filed
   * in parts: then some may have it, and recognise it when it is sent again.
   *
   * @param raw the message as received: CRLF lines, dots unstuffed, at most `config.messageBytesMax` bytes
   * @returns one receipt per recipient, in the order of the envelope
   * @throws dmarc_rejected, mail_loop, sender_rate_exceeded, spam_rejected, spam_deferred
   * @throws unknown_recipient or inbox_paused when an inbox was deleted or paused since RCPT; message_too_large; disk_full; unavailable
   * @throws shutting_down; parse_queue_full for a large message; what `raw` throws
   */
  receive(arrival: Arrival, envelope: Envelope, raw: AsyncIterable<Buffer>): Promise<Receipt[]>
}

interface ReceivingNeeds {
  readonly store: Store
  readonly config: Pick<
    Config,
    'domain' | 'messageBytesMax' | 'pausedInboxes' | 'inboxBytesMax' | 'inboxMessagesMax' | 'limits'
  >
  readonly inboxes: RecipientInboxes
  readonly rates: Pick<ReceivingRates, 'refusalOf' | 'countInboxes'>
  readonly refusals: Pick<Refusals, 'record'>
  readonly prepareContent: PrepareContent
  readonly fileReceived: FileReceived
  readonly recordComplaint: RecordComplaint
  readonly log: Log
  readonly messageChecks: MessageChecks
  readonly metrics: Metrics
  readonly eventLoop: Pick<EventLoop, 'createWorkQueue'>
}

/** A message that is ready to be filed. */
interface Prepared {
  readonly arrival: Arrival
  readonly envelope: Envelope
  readonly content: PreparedContent<Checks>
  readonly sender: FiledSender
}

export function createReceiving(needs: ReceivingNeeds): Receiving {
  const {
    store,
    config,
    inboxes,
    rates,
    refusals,
    prepareContent,
    fileReceived,
    recordComplaint,
    messageChecks,
    log,
    metrics,
  } = needs
  const { limits } = config
  /** If not, mail for a paused inbox is dropped. */
  const isDeferring = config.pausedInboxes === 'defer'
  const fileTogether = store.batched<Prepared, Receipt[]>({
    run: fileBatch,
    sizeBytes: ({ content }) => content.sizeBytes,
  })
  const queue = createReceiveQueue({
    workQueue: needs.eventLoop.createWorkQueue(),
    limits,
    clock: () => performance.now(),
  })

  return {
    accepts: (address, announced) =>
      whenReady(
        inboxes.find(address),
        (inbox) => inbox !== undefined && refusalBy(inbox, address, announced) === undefined,
      ),

    async rejectionOf(address, announced) {
      const { domain } = splitAddress(address)
      const inbox = await inboxes.find(address)
      const refusal = inbox && refusalBy(inbox, address, announced)
      if (refusal) {
        refusals.record([address], announced, refusal)
        return refusal
      }
      if (await findReceiving(store.db, domain)) return new MailError('unknown_recipient', { address })
      // Its owner may have published the MX record first: mail must not be lost until the domain is verified.
      if (await isAwaited(store.db, domain)) return new MailError('domain_not_verified', { domain })
      return new MailError('relaying_denied', { domain })
    },

    checkWritable: () => store.checkWritable(),
    isOverloaded: () => queue.isOverloaded(),

    async receive(arrival, envelope, raw) {
      store.checkWritable()
      let endTimer: (() => number) | undefined
      let sizeBytes = 0
      let leaveQueue: (() => void) | undefined
      const fairnessKey = fairnessKeyOf(arrival)
      const { head, check } = messageChecks.begin(arrival, envelope, fairnessKey) // while the message arrives
      const checkAndWait = (arrived: ArrivedMail) =>
        whenReady(check(arrived), (checked) => {
          if (!waitsInQueue(arrival, sizeBytes)) return checked
          // After the checks: a message in the queue waits for us, not for the DNS of its sender.
          return whenReady(queue.enter(fairnessKey), (leave) => {
            leaveQueue = leave
            return checked
          })
        })
      try {
        const content = await prepareContent({
          fairnessKey,
          raw: { head, chunks: raw },
          bytesMax: config.messageBytesMax,
          onArrived(arrivedBytes) {
            sizeBytes = arrivedBytes
            endTimer = metrics.receiveSeconds.startTimer()
          },
          check: checkAndWait,
        })
        const sender = filedSender(content)
        const receipts = await fileOrDiscard({ arrival, envelope, content, sender })
        const isNew = ({ inboxId, isDuplicate }: Receipt) => inboxId !== undefined && !isDuplicate
        rates.countInboxes(arrival, new Set(receipts.filter(isNew).map(({ inboxId }) => inboxId!)))
        const { feedbackReport } = content.parsed
        if (feedbackReport && arrival.protocol !== 'local') await recordComplaint(feedbackReport, sender.verifiedDomain)
        logReceived(arrival, envelope, sender, receipts, sizeBytes, endTimer?.() ?? 0)
        return receipts
      } catch (error) {
        if (isPolicyRefusal(error)) recordRefusal(arrival, envelope, envelope.recipients, error)
        throw error
      } finally {
        leaveQueue?.()
      }
    },
  }

  /** The reason why this inbox takes no mail now. */
  function refusalBy(
    inbox: ReceivingInbox,
    address: string,
    { remoteAddress, sizeBytes }: Announced,
  ): MailError | undefined {
    if (isPaused(inbox)) return isDeferring ? new MailError('inbox_paused', { address }) : undefined
    const isPostmaster = inbox.address === postmasterAddress(config.domain)
    if (!isPostmaster && isInboxFull(inbox, config, sizeBytes)) return new MailError('inbox_full', { address })
    return rates.refusalOf(inbox.id, address, remoteAddress)
  }

  function recordRefusal(
    { remoteAddress }: Arrival,
    { sender }: Envelope,
    recipients: readonly string[],
    error: MailError,
  ): void {
    refusals.record(recipients, { sender, remoteAddress }, error)
  }

  /** Local delivery is limited by its worker, and large messages by the parse queue. */
  function waitsInQueue({ protocol }: Arrival, sizeBytes: number): boolean {
    return protocol !== 'local' && sizeBytes <= limits.parsing.smallBytesMax
  }

  /** One line per message: with it, an operator finds out whether a message has arrived. */
  function logReceived(
    { protocol, traceId, remoteAddress }: Arrival,
    { sender, recipients }: Envelope,
    { authentication, verifiedDomain, decision: { labels, spam } }: FiledSender,
    receipts: readonly Receipt[],
    sizeBytes: number,
    seconds: number,
  ): void {
    const stored = receipts.filter((receipt) => !receipt.isDropped)
    const [first] = stored
    const line = {
      messageId: first && loggedText(first.messageId),
      id: first?.id,
      from: sender,
      ...(labels.length > 0 && { labels }),
      spamScore: spam?.score,
      ...loggedAddresses('recipients', recipients),
      sizeBytes,
      inboxes: new Set(stored.map(({ id }) => id)).size,
      ...(stored.length < receipts.length && { dropped: receipts.length - stored.length }),
      ...(receipts.every((receipt) => receipt.isDuplicate) && { isDuplicate: true }),
      authentication: authentication.result,
      verifiedDomain,
      via: protocol,
      session: traceId,
      remoteAddress,
      ms: Math.round(seconds * 10_000) / 10,
    }
    log.info(line, 'message received')
  }

  async function fileOrDiscard(prepared: Prepared): Promise<Receipt[]> {
    const { arrival, envelope, content } = prepared
    const rows = rowsOfContent(content.parsed) + envelope.recipients.length * rowsOfFiling(content.parsed, limits)
    const isDivided = rows > limits.messages.transactionRowsMax && envelope.recipients.length > 1
    const shared = isDivided ? shareContent(content) : undefined
    try {
      requireNoLoop(content.parsed, limits)
      const receipts = await (shared ? fileDivided(prepared, shared) : fileAtOnce(prepared, rows))
      const stored = receipts.filter((receipt) => !receipt.isDropped)
      for (const { recipient, isDropped } of receipts) {
        if (isDropped)
          recordRefusal(arrival, envelope, [recipient], new MailError('inbox_paused', { address: recipient }))
      }
      metrics.messagesReceived.inc({ via: arrival.protocol === 'local' ? 'local' : 'smtp' }, stored.length)
      // If no inbox stored the message now, no row refers to these bytes.
      if (stored.every((receipt) => receipt.isDuplicate)) await content.discard()
      return receipts
    } catch (error) {
      if (!shared?.isStored()) await content.discard(error)
      throw error
    }
  }

  /** @param rows the number that it writes */
  function fileAtOnce(prepared: Prepared, rows: number): Promise<Receipt[]> {
    const { arrival, envelope } = prepared
    const isLong = rows > limits.messages.shortFilingRowsMax
    // A message to oneself changes the sent message, which others of the batch may read.
    const isAlone = envelope.recipients.some((recipient) => withoutTag(recipient) === envelope.sender)
    return fileTogether(prepared, { isAlone, fairnessKey: isLong ? fairnessKeyOf(arrival) : undefined })
  }

  /** Files a message that writes many rows in several transactions. */
  async function fileDivided(prepared: Prepared, shared: SharedContent<Checks>): Promise<Receipt[]> {
    const { arrival, envelope } = prepared
    const { content } = shared
    const { transactionRowsMax: max } = limits.messages
    const rows = { perItem: rowsOfFiling(content.parsed, limits), first: rowsOfContent(content.parsed), max }
    const parts = inParts(await byInbox(envelope.recipients), rows).map((part) => part.flat())
    const fairnessKey = fairnessKeyOf(arrival)
    return fileParts(envelope.recipients, parts, async (recipients) => {
      const file = async (tx: Tx) => {
        await inboxes.lock(tx, recipients, { skipLocked: false })
        await shared.begin(tx)
        const [receipts] = await fileBatch(tx, [{ ...prepared, content, envelope: { ...envelope, recipients } }])
        return receipts as Receipt[]
      }
      const receipts = await store.transaction(file, { fairnessKey })
      shared.recordCommit()
      return receipts
    })
  }

  /** Groups the recipients that are the same inbox: with plus-tags, or role names. It gets the message once. */
  async function byInbox(recipients: readonly string[]): Promise<string[][]> {
    const groups = new Map<string, string[]>()
    for (const recipient of recipients) {
      const key = (await inboxes.find(recipient))?.id ?? recipient
      groups.set(key, [...(groups.get(key) ?? []), recipient])
    }
    return [...groups.values()]
  }

  /**
   * Files messages. One of several messages that needs an inbox which another node has locked is left for later, so that
   * only it waits.
   */
  async function fileBatch(tx: Tx, batch: readonly Prepared[]): Promise<(Receipt[] | typeof RUN_LATER)[]> {
    const found = await inboxes.lock(
      tx,
      batch.flatMap(({ envelope }) => envelope.recipients),
      { skipLocked: batch.length > 1 },
    )
    const isReady = ({ envelope }: Prepared) =>
      envelope.recipients.every((recipient) => {
        const inbox = found.get(recipient)
        return inbox !== undefined && !(isDeferring && isPaused(inbox))
      })
    const ready = batch.filter(isReady)
    if (batch.length === 1 && ready.length === 0) throw refusalOf(batch[0]!.envelope, found)
    const receipts = await fileReceived(
      tx,
      ready.map(({ arrival, envelope, content, sender: { authentication, verifiedDomain, decision } }) => ({
        sender: envelope.sender,
        verifiedDomain,
        recipients: envelope.recipients.flatMap((recipient) => {
          const inbox = found.get(recipient)!
          if (isPaused(inbox)) return []
          const { owners } = content.checked.sender
          // A recipient learns nothing about the domains of other organizations.
          const isOwn = owners.has(null) || owners.has(inbox.organization_id)
          return {
            recipient,
            inbox,
            authentication: isOwn ? { ...authentication, ownDomainUnverified: true as const } : authentication,
          }
        }),
        content,
        decision,
        remoteAddress: arrival.remoteAddress,
        isFromOwnDomain: content.checked.sender.owners.size > 0,
        isFromQueue: arrival.protocol === 'local',
      })),
    )
    const byMessage = new Map(ready.map((prepared, index) => [prepared, receipts[index]!]))
    return batch.map((prepared) => {
      const filed = byMessage.get(prepared)
      return filed ? withDropped(prepared.envelope, filed) : RUN_LATER
    })
  }
}

function isPaused({ status }: Pick<InboxRow, 'status'>): boolean {
  return status === 'paused'
}

/** The error for an envelope with an inbox that was deleted or paused since RCPT. */
function refusalOf({ recipients }: Envelope, found: ReadonlyMap<string, InboxRow>): MailError {
  const missing = recipients.find((recipient) => !found.has(recipient))
  if (missing !== undefined) return new MailError('unknown_recipient', { address: missing })
  return new MailError('inbox_paused', { address: recipients.find((recipient) => isPaused(found.get(recipient)!))! })
}

/** Adds a receipt for each recipient whose mail was dropped. @returns them in the order of the envelope */
function withDropped({ recipients }: Envelope, filed: Receipt[]): Receipt[] {
  if (filed.length === recipients.length) return filed
  const byRecipient = new Map(filed.map((receipt) => [receipt.recipient, receipt]))
  const dropped = { id: '', messageId: '', isDuplicate: false, isDropped: true } as const
  return recipients.map((recipient) => byRecipient.get(recipient) ?? { recipient, ...dropped })
}

/**
 * The sender by which large messages take turns to be parsed and filed: the organization for local delivery, otherwise the
 * network of the peer.
 */
function fairnessKeyOf({ organizationId, remoteAddress = '' }: Arrival): string {
  return organizationId === undefined ? `network ${networkOf(remoteAddress)}` : `organization ${organizationId}`
}
