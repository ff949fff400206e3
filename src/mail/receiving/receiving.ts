/**
 * Receiving: from an envelope and a stream of bytes to messages in inboxes, or to an error that says so.
 *
 *   requireRoom → spool → authenticate → policy → read → file, in one transaction → receipts
 *
 * The MX listener and the queue's local delivery both end here. The sender gets no reply before the commit, and no message
 * is refused for being malformed. Crash before the commit: the sender got no reply and retries.
 */
import type { Config } from '../../config/settings.ts'
import { MailError } from '../../errors.ts'
import { splitAddress, withoutTag } from '../../formats/address/address.ts'
import { networkOf } from '../../formats/address/peer-network.ts'
import { traceHeaders } from '../../formats/mime/trace-headers.ts'
import type { Metrics } from '../../metrics.ts'
import type { Db } from '../../store/handles.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as domains from '../../store/tables/domains-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import type { Contents } from '../messages/content/contents.ts'
import type { MailParser } from '../messages/content/parse-worker.ts'
import type { Arrival, Envelope, Receipt } from './arrival.ts'
import { authenticate } from './authenticate.ts'
import type { FileReceived, Received } from './file-received.ts'
import { decide } from './policy.ts'

export interface Receiving {
  /**
   * Whether mail for this address can be filed: an inbox of ours, `postmaster@` or `abuse@` of a domain of ours.
   *
   * @param address normalised; a plus-tag is ignored
   * @throws unavailable when the store cannot be read
   */
  accepts(address: string): Promise<boolean>

  /**
   * Checks whether a new message can be accepted now, so that a peer gets the refusal before it sends its bytes.
   *
   * @throws disk_full, shutting_down, unavailable
   */
  requireRoom(): void

  /**
   * Files one inbound mail for every recipient, or throws and files it for none. Resolves after the commit: from then
   * on the responsibility is ours (RFC 5321 §6.1).
   *
   * @param raw the mail as received, CRLF lines, dots unstuffed; a stream of chunks. More than `config.messageBytesMax`
   *   bytes end in message_too_large. The stream is always read to its end or destroyed.
   * @returns one receipt a recipient, in the order given
   * @throws unknown_recipient when an inbox has gone since RCPT; message_too_large; disk_full; unavailable; shutting_down
   * @throws parse_queue_full for a large mail
   */
  receive(arrival: Arrival, envelope: Envelope, raw: AsyncIterable<Buffer>): Promise<Receipt[]>
}

interface ReceivingNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'domain' | 'hostname' | 'messageBytesMax'>
  readonly contents: Contents
  readonly mailParser: MailParser
  readonly fileReceived: FileReceived
  readonly metrics: Metrics
  readonly clock: () => number
}

/**
 * Local parts that every domain accepts, even without such an inbox: RFC 2142 §5 and §4, and the one that our notices come
 * from. An agent that answers every mail would otherwise be sent a notice that its answer to a notice is undeliverable,
 * and answer that.
 */
const ROLE_NAMES: ReadonlySet<string> = new Set(['postmaster', 'abuse', 'mailer-daemon'])

export function createReceiving(needs: ReceivingNeeds): Receiving {
  const { store, config, contents, mailParser, fileReceived, metrics, clock } = needs

  return {
    async accepts(address) {
      const inbox = await findInbox(store.db, address, (each) => inboxes.getByAddress(store.db, each))
      return inbox !== undefined
    },

    requireRoom: () => store.requireRoom(),

    async receive(arrival, envelope, raw) {
      store.requireRoom()
      const endTimer = metrics.receiveSeconds.startTimer()
      const spooled = await contents.spool(trace(arrival, envelope), raw, config.messageBytesMax)
      let packed: Received['packed'] | undefined
      try {
        const authentication = await authenticate(arrival, envelope)
        const verdict = decide(envelope, authentication)
        const { sizeBytes } = spooled
        const parsedMail = await mailParser.read({
          peer: peerOf(arrival),
          sizeBytes,
          load: () => contents.load(spooled),
        })
        packed = await contents.spoolReading(parsedMail)
        const mail = { sender: envelope.sender, spooled, parsedMail, packed, authentication, verdict }
        const receipts = await fileAll(envelope.recipients, mail)
        metrics.messagesReceived.inc({ via: arrival.protocol === 'local' ? 'local' : 'smtp' }, receipts.length)
        endTimer()
        // Every recipient had it already: nothing came to refer to the bytes.
        if (receipts.every((receipt) => receipt.duplicate))
          await contents.discard(spooled.blobKey, packed.parsedBlobKey)
        return receipts
      } catch (error) {
        await contents.discardAfter(error, spooled.blobKey, packed?.parsedBlobKey)
        throw error
      }
    },
  }

  async function fileAll(addresses: readonly string[], mail: Omit<Received, 'recipients'>): Promise<Receipt[]> {
    return store.transaction(async (tx) => {
      const found = new Map<string, InboxRow>()
      // Held before anything of them is read; every node in the same order, so that two do not wait for each other.
      for (const recipient of addresses.toSorted()) {
        const inbox = await findInbox(tx, recipient, (each) => inboxes.lockByAddress(tx, each))
        if (!inbox) throw new MailError('unknown_recipient', { address: recipient })
        found.set(recipient, inbox)
      }
      const recipients = addresses.map((recipient) => ({ recipient, inbox: found.get(recipient)! }))
      return fileReceived(tx, { ...mail, recipients })
    })
  }

  /** RFC 5321 §4.4: who delivers last puts the envelope sender and its own trace field on top. */
  function trace(arrival: Arrival, envelope: Envelope): Buffer {
    const isLocal = arrival.protocol === 'local'
    return traceHeaders({
      returnPath: envelope.sender,
      ...(!isLocal && { from: { helo: arrival.helo ?? 'unknown', ip: arrival.remoteAddress ?? 'unknown' } }),
      by: config.hostname,
      with: arrival.protocol,
      id: arrival.session,
      ...(arrival.tls !== undefined && { tls: arrival.tls }),
      date: new Date(clock()),
    })
  }

  /** The inbox that an address is delivered to; role names of any of our domains go to the postmaster. */
  async function findInbox(
    db: Db,
    recipient: string,
    byAddress: (address: string) => Promise<InboxRow | undefined>,
  ): Promise<InboxRow | undefined> {
    const address = withoutTag(recipient)
    const inbox = await byAddress(address)
    if (inbox) return inbox
    const { localPart, domain } = splitAddress(address)
    if (!ROLE_NAMES.has(localPart) || !(await domains.getByName(db, domain))) return undefined
    return byAddress(`postmaster@${config.domain}`)
  }
}

/** Mails of one peer take turns with those of others to be parsed. */
function peerOf({ organizationId, remoteAddress = '' }: Arrival): string {
  return organizationId === undefined ? `network ${networkOf(remoteAddress)}` : `organization ${organizationId}`
}
