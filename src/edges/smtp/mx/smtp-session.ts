/**
 * The MX session with one peer: maps a command line to a reply and the next step of the connection.
 *
 * It checks the order of commands and keeps the state of the transaction (RFC 5321 §3.3, §4.1.4). `receiving` decides
 * everything else: which inboxes exist, whether the disk has space, and what happens to a message. Sockets and the
 * limits of a connection are in smtp-connection.ts.
 */
import type { Readable } from 'node:stream'
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import { normaliseAddress } from '../../../formats/address/address.ts'
import { isAsciiAddress } from '../../../formats/address/ascii-address.ts'
import type { Log } from '../../../log.ts'
import type { Arrival, Envelope } from '../../../mail/receiving/arrival.ts'
import type { Receiving } from '../../../mail/receiving/receiving.ts'
import { parseAddressCommand } from '../protocol/address-command.ts'
import { parseCommandLine } from '../protocol/command-line.ts'
import { PeerGone } from '../protocol/command-stream.ts'
import { type MailCommand, readMailCommand } from '../protocol/mail-command.ts'
import { type Reply, replies, replyForError } from '../protocol/replies.ts'
import type { Peer, Session, Step } from './smtp-connection.ts'

export interface SmtpSessionNeeds {
  readonly config: Pick<Config, 'hostname' | 'domain' | 'messageBytesMax' | 'limits'>
  readonly receiving: Receiving
  readonly log: Log
}

interface Transaction extends MailCommand {
  /** Normalised; a set, so that a repeated RCPT causes only one delivery. */
  readonly recipients: Set<string>
}

/** RFC 5321 §4.5.3.1.2. The name is written into a Received field, so only printable ASCII is allowed. */
const HELLO_NAME = /^[\x21-\x7e]{1,255}$/

export class SmtpSession implements Session {
  readonly #needs: SmtpSessionNeeds
  readonly #peer: Peer
  #hello: { name: string; isExtended: boolean } | undefined
  #transaction: Transaction | undefined

  constructor(needs: SmtpSessionNeeds, peer: Peer) {
    this.#needs = needs
    this.#peer = peer
  }

  /** Whether a MAIL was accepted and no DATA, RSET or EHLO after it (RFC 5321 §3.3). */
  get isInTransaction(): boolean {
    return this.#transaction !== undefined
  }

  restart(): void {
    this.#hello = undefined
    this.#transaction = undefined
  }

  async handle(line: Buffer): Promise<Step> {
    const parsed = parseCommandLine(line)
    if (!parsed) return { reply: replies.unreadable }
    const { verb, argument } = parsed
    switch (verb) {
      case 'EHLO':
        return { reply: this.#helloReply(argument, true) }
      case 'HELO':
        return { reply: this.#helloReply(argument, false) }
      case 'MAIL':
        return { reply: this.#mail(argument) }
      case 'RCPT':
        return { reply: await this.#recipient(argument) }
      case 'DATA':
        return this.#data(argument)
      case 'RSET':
        if (argument !== '') return { reply: replies.syntax('RSET') }
        this.#transaction = undefined
        return { reply: replies.ok }
      case 'NOOP': // RFC 5321 §4.1.1.9: an argument is ignored
        return { reply: replies.ok }
      case 'VRFY':
        return { reply: argument === '' ? replies.syntax('VRFY address') : replies.cannotVerify }
      case 'HELP':
        return { reply: replies.help(this.#needs.config.domain) }
      case 'STARTTLS':
        return this.#startTls(argument)
      case 'QUIT':
        return { reply: replies.bye, next: 'close' }
      case 'EXPN':
      case 'AUTH': // for submission; an MX accepts mail from anyone
      case 'BDAT':
      case 'ETRN':
        return { reply: replies.notImplemented }
      case 'GET':
      case 'POST':
      case 'PUT':
      case 'HEAD':
      case 'OPTIONS':
      case 'CONNECT': // a browser or proxy tricked into connecting here; its body must not be read as commands
        return { reply: replies.notSmtp }
      default:
        return { reply: replies.unknownCommand }
    }
  }

  #helloReply(argument: string, isExtended: boolean): Reply {
    if (!HELLO_NAME.test(argument)) return replies.helloSyntax
    this.#hello = { name: argument, isExtended }
    this.#transaction = undefined // RFC 5321 §4.1.4: EHLO in the middle of a session is also RSET
    const { hostname, messageBytesMax } = this.#needs.config
    if (!isExtended) return replies.hello([hostname])
    return replies.hello([
      hostname,
      'PIPELINING', // RFC 2920
      `SIZE ${messageBytesMax}`, // RFC 1870
      '8BITMIME', // RFC 6152
      'SMTPUTF8', // RFC 6531
      'ENHANCEDSTATUSCODES', // RFC 2034
      ...(this.#peer.tls() === undefined ? ['STARTTLS'] : []), // RFC 3207 §4.2: not after TLS is active
    ])
  }

  #startTls(argument: string): Step {
    if (argument !== '') return { reply: replies.syntax('STARTTLS') } // RFC 3207 §4
    if (this.#peer.tls() !== undefined) return { reply: replies.alreadySecure }
    return { reply: replies.startTls, next: 'startTls' }
  }

  #mail(argument: string): Reply {
    if (!this.#hello) return replies.helloFirst
    if (this.#transaction) return replies.nestedMail // RFC 5321 §4.1.4
    const command = readMailCommand(argument, this.#needs.config.messageBytesMax)
    if ('refusal' in command) return command.refusal
    try {
      this.#needs.receiving.checkWritable()
    } catch (error) {
      return this.#failed(error)
    }
    this.#transaction = { ...command, recipients: new Set() }
    return replies.senderOk
  }

  async #recipient(argument: string): Promise<Reply> {
    if (!this.#hello) return replies.helloFirst
    const transaction = this.#transaction
    if (!transaction) return replies.mailFirst
    const command = parseAddressCommand('TO', argument)
    if (!command) return replies.syntax('RCPT TO:<address>')
    for (const key of command.parameters.keys()) return replies.unknownParameter(key)
    if (!transaction.isSmtpUtf8 && !isAsciiAddress(command.address)) return replies.needsSmtpUtf8

    const address = this.#normaliseRecipient(command.address)
    if (address === undefined) return replies.badRecipient
    if (transaction.recipients.has(address)) return replies.recipientOk
    if (transaction.recipients.size >= this.#needs.config.limits.smtp.recipientsMax) return replies.tooManyRecipients
    try {
      const { receiving } = this.#needs
      const { sender, sizeBytes } = transaction
      const { remoteAddress } = this.#peer
      const announced = { sender, remoteAddress, ...(sizeBytes !== undefined && { sizeBytes }) }
      if (!(await receiving.accepts(address, announced))) throw await receiving.rejectionOf(address, announced)
    } catch (error) {
      return this.#failed(error)
    }
    transaction.recipients.add(address)
    return replies.recipientOk
  }

  /** RFC 5321 §4.5.1: `<postmaster>`, in any case and without a domain, is always a recipient. */
  #normaliseRecipient(address: string): string | undefined {
    const isPostmaster = address.toLowerCase() === 'postmaster'
    return normaliseAddress(isPostmaster ? `postmaster@${this.#needs.config.domain}` : address)
  }

  #data(argument: string): Step {
    if (argument !== '') return { reply: replies.syntax('DATA') }
    if (!this.#hello) return { reply: replies.helloFirst }
    const transaction = this.#transaction
    if (!transaction) return { reply: replies.mailFirst }
    if (transaction.recipients.size === 0) return { reply: replies.noRecipients }

    this.#transaction = undefined // the transaction ends with DATA, whatever the result (RFC 5321 §4.1.1.4)
    return { reply: replies.startMail, receiveMailData: (stream) => this.#receive(transaction, stream) }
  }

  /**
   * Replies 250 only after `receive` resolved: from then on we are responsible for the message (RFC 5321 §4.2.5, §6.1).
   */
  async #receive(transaction: Transaction, stream: Readable): Promise<Reply> {
    const envelope: Envelope = { sender: transaction.sender, recipients: [...transaction.recipients] }
    try {
      const receipts = await this.#needs.receiving.receive(this.#arrival(transaction), envelope, stream)
      return replies.filed(receipts)
    } catch (error) {
      return this.#failed(stream.errored instanceof PeerGone ? stream.errored : error)
    } finally {
      if (!stream.readableEnded) stream.destroy() // the rest has no reader; the connection discards it
    }
  }

  #arrival({ isSmtpUtf8 }: Transaction): Arrival {
    const tls = this.#peer.tls()
    const isExtended = this.#hello?.isExtended === true
    // RFC 3848, RFC 6531 §4.3. No name exists for HELO over TLS, so we use "SMTP".
    const name = isSmtpUtf8 ? 'UTF8SMTP' : isExtended ? 'ESMTP' : 'SMTP'
    return {
      protocol: tls !== undefined && name !== 'SMTP' ? `${name}S` : name,
      remoteAddress: this.#peer.remoteAddress,
      helo: this.#hello?.name ?? '',
      ...(tls !== undefined && { tls }),
      traceId: this.#peer.connectionId,
    }
  }

  #failed(error: unknown): Reply {
    const { log } = this.#needs
    const { connectionId: session, remoteAddress } = this.#peer
    const isExpected = error instanceof MailError && error.kind !== 'internal'
    if (error instanceof PeerGone) log.info({ session, remoteAddress }, error.message)
    else if (!isExpected) log.error({ err: error, session, remoteAddress }, 'SMTP command failed')
    else if (error.cause !== undefined) log.warn({ err: error, session, remoteAddress }, 'SMTP command refused')
    return replyForError(error)
  }
}
