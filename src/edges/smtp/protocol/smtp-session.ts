/**
 * The session with one peer: maps a command line to a reply and the next step of the connection.
 *
 * It checks the order of commands and keeps the state of the transaction (RFC 5321 §3.3, §4.1.4): what every listener has
 * in common. Its rules (mx/mx-rules.ts, submission/submission-rules.ts) say what else the listener offers, and whose mail
 * it accepts. Sockets and the limits of a connection are in smtp-connection.ts.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import { normaliseAddress } from '../../../formats/address/address.ts'
import { isAsciiAddress } from '../../../formats/address/ascii-address.ts'
import type { Log } from '../../../log.ts'
import { whenReady } from '../../../when-ready.ts'
import { parseAddressCommand } from './address-command.ts'
import { type CommandLine, parseCommandLine } from './command-line.ts'
import { PeerGone } from './command-stream.ts'
import { type MailCommand, readMailCommand } from './mail-command.ts'
import type { MailData } from './mail-data.ts'
import { type Reply, replies, replyForError } from './replies.ts'
import type { Peer, Session, Step } from './smtp-connection.ts'

/** Where a transaction stands, for the rules of a listener. */
export interface SessionState {
  readonly hasGreeted: boolean
  readonly isInTransaction: boolean
}

/** A transaction that is complete when its message has arrived. */
export interface Transaction extends MailCommand {
  /** Normalised; a set, so that a repeated RCPT causes only one delivery. */
  readonly recipients: ReadonlySet<string>
}

/** The peer as it has introduced itself. */
export interface Hello {
  readonly name: string
  /** Whether it has sent EHLO. */
  readonly isExtended: boolean
}

/**
 * What a listener does differently from others; one object per connection. What a check throws is sent as the reply
 * (replies.ts).
 */
export interface SessionRules {
  /** A further RCPT gets 452. */
  readonly recipientsMax: number
  /** Whether MAIL may have the parameter AUTH (RFC 4954 §5). Its value is ignored. */
  readonly allowsAuthParameter: boolean
  /** Further lines for the reply to EHLO. */
  extensions(): readonly string[]
  /** Handles a command that only this listener has; undefined: it has no such command. */
  handle?(command: CommandLine, state: SessionState): Promise<Step> | undefined
  /** Handles a line of an exchange that the last reply has begun (334); undefined: there is none, so the line is a command. */
  handleLine?(line: Buffer | 'too long'): Promise<Step> | undefined
  /** Called when TLS has become active. */
  restart(): void
  /** @returns the refusal of MAIL; undefined: the transaction begins */
  checkSender(sender: string): Reply | undefined | Promise<Reply | undefined>
  /**
   * @param address normalised
   * @param mail    what MAIL has said
   * @throws the error for the reply to RCPT
   */
  checkRecipient(address: string, mail: MailCommand): undefined | Promise<void>
  /** Resolves with the reply when the message is stored: from then on we are responsible for it (RFC 5321 §6.1). */
  receive(transaction: Transaction, hello: Hello | undefined, data: MailData): Promise<Reply>
}

interface SmtpSessionNeeds {
  readonly config: Pick<Config, 'hostname' | 'domain' | 'messageBytesMax'>
  readonly log: Log
}

/** RFC 5321 §4.5.3.1.2. The name is written into a Received field, so only printable ASCII is allowed. */
const HELLO_NAME = /^[\x21-\x7e]{1,255}$/

export class SmtpSession implements Session {
  readonly #needs: SmtpSessionNeeds
  readonly #peer: Peer
  readonly #rules: SessionRules
  #hello: Hello | undefined
  #transaction: (MailCommand & { readonly recipients: Set<string> }) | undefined

  constructor(needs: SmtpSessionNeeds, peer: Peer, rules: SessionRules) {
    this.#needs = needs
    this.#peer = peer
    this.#rules = rules
  }

  /** Whether a MAIL was accepted and no DATA, RSET or EHLO after it (RFC 5321 §3.3). */
  get isInTransaction(): boolean {
    return this.#transaction !== undefined
  }

  restart(): void {
    this.#hello = undefined
    this.#transaction = undefined
    this.#rules.restart()
  }

  handle(line: Buffer | 'too long'): Step | Promise<Step> {
    try {
      const step = this.#handleLine(line)
      return step instanceof Promise ? step.catch((error) => ({ reply: this.#failed(error) })) : step
    } catch (error) {
      return { reply: this.#failed(error) }
    }
  }

  #handleLine(line: Buffer | 'too long'): Step | Promise<Step> {
    const step = this.#rules.handleLine?.(line)
    if (step) return step
    if (line === 'too long') return { reply: replies.lineTooLong }
    const command = parseCommandLine(line)
    return command ? this.#handleCommand(command) : { reply: replies.unreadable }
  }

  #handleCommand(command: CommandLine): Step | Promise<Step> {
    const state = { hasGreeted: this.#hello !== undefined, isInTransaction: this.isInTransaction }
    const own = this.#rules.handle?.(command, state)
    if (own) return own
    const { verb, argument } = command
    switch (verb) {
      case 'EHLO':
        return { reply: this.#helloReply(argument, true) }
      case 'HELO':
        return { reply: this.#helloReply(argument, false) }
      case 'MAIL':
        return this.#mail(argument)
      case 'RCPT':
        return this.#recipient(argument)
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
      case 'AUTH': // an MX accepts mail from anyone
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
      ...this.#rules.extensions(),
    ])
  }

  #startTls(argument: string): Step {
    if (argument !== '') return { reply: replies.syntax('STARTTLS') } // RFC 3207 §4
    if (this.#peer.tls() !== undefined) return { reply: replies.alreadySecure }
    return { reply: replies.startTls, next: 'startTls' }
  }

  #mail(argument: string): Step | Promise<Step> {
    if (!this.#hello) return { reply: replies.helloFirst }
    if (this.#transaction) return { reply: replies.nestedMail } // RFC 5321 §4.1.4
    const { allowsAuthParameter } = this.#rules
    const command = readMailCommand(argument, {
      messageBytesMax: this.#needs.config.messageBytesMax,
      allowsAuthParameter,
    })
    if ('refusal' in command) return { reply: command.refusal }
    const begin = (refusal: Reply | undefined): Step => {
      if (refusal) return { reply: refusal }
      this.#transaction = { recipients: new Set(), ...command }
      return { reply: replies.senderOk }
    }
    return whenReady(this.#rules.checkSender(command.sender), begin)
  }

  #recipient(argument: string): Step | Promise<Step> {
    if (!this.#hello) return { reply: replies.helloFirst }
    const transaction = this.#transaction
    if (!transaction) return { reply: replies.mailFirst }
    const command = parseAddressCommand('TO', argument)
    if (!command) return { reply: replies.syntax('RCPT TO:<address>') }
    for (const key of command.parameters.keys()) return { reply: replies.unknownParameter(key) }
    if (!transaction.isSmtpUtf8 && !isAsciiAddress(command.address)) return { reply: replies.needsSmtpUtf8 }

    const address = this.#normaliseRecipient(command.address)
    if (address === undefined) return { reply: replies.badRecipient }
    if (transaction.recipients.has(address)) return { reply: replies.recipientOk }
    if (transaction.recipients.size >= this.#rules.recipientsMax) return { reply: replies.tooManyRecipients }
    return whenReady(this.#rules.checkRecipient(address, transaction), () => {
      transaction.recipients.add(address)
      return { reply: replies.recipientOk }
    })
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
    return { reply: replies.startMail, receiveMailData: (data) => this.#receive(transaction, data) }
  }

  async #receive(transaction: Transaction, data: MailData): Promise<Reply> {
    try {
      return await this.#rules.receive(transaction, this.#hello, data)
    } catch (error) {
      return this.#failed(data.error ?? error)
    } finally {
      data.close() // the connection discards what was not read
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
