/**
 * What a session knows: who has logged in, what is enabled, and the selected mailbox. ../commands/ change it; the connection
 * (../listener/imap-connection.ts) supplies input, output and TLS.
 */

import type { Limits } from '../../../config/limits.ts'
import type { WorkQueue } from '../../../event-loop.ts'
import type { Log } from '../../../log.ts'
import type { GrammarContext } from '../grammar/grammar-context.ts'
import { formatMailbox } from '../grammar/response-strings.ts'
import type { ByteInput } from './byte-input.ts'
import type { ImapOutput } from './imap-output.ts'
import type { MailAccount, MailStore } from './mail-store.ts'
import type { ReportOptions, SelectedMailbox } from './selected-mailbox.ts'

/** Shared by the sessions of a listener. */
export interface ImapServices {
  readonly store: MailStore
  readonly log: Log
  readonly limits: Limits
  /** Commands and long responses take turns in it. */
  readonly work: WorkQueue
  /** The largest message that APPEND accepts. */
  readonly messageBytesMax: number
  /** The answer to ID (RFC 2971): names and values. */
  readonly serverId: Readonly<Record<string, string>>
  /** Counts connections per account. @returns whether this one may log in; if so, `leave` must follow */
  readonly accounts: { enter(name: string): boolean; leave(name: string): void }
}

/** What a session needs of its connection. */
export interface SessionPeer {
  readonly id: string
  readonly remoteAddress: string
  isTls(): boolean
  /** STARTTLS can be offered. */
  canStartTls(): boolean
  /** Begins the handshake as the server; input and output are encrypted from now on. */
  startTls(): void
  /** Without TLS: the connection cannot be read by others, and the operator allows it. */
  allowsPlainLogin(): boolean
  /** Aborted when the connection ends. */
  readonly ended: AbortSignal
  /** Sends BYE and closes, as soon as no command is running. */
  end(reason: string): void
  /** Closes the connection at once, also while a command runs. */
  cut(): void
}

export class ImapSession implements GrammarContext {
  readonly services: ImapServices
  readonly peer: SessionPeer
  readonly input: ByteInput
  readonly output: ImapOutput
  account: MailAccount | undefined
  selected: SelectedMailbox | undefined
  failedLogins = 0
  badCommands = 0
  /** UIDs whose flags the running command has sent, with the modseq of these flags. */
  readonly reported = new Map<number, number>()
  /** A command is running. */
  isRunning = false
  /** A command has begun and waits for its literal. */
  isMidCommand = false
  /** In IDLE: BYE may be sent at any time. */
  isIdling = false
  /** RFC 7162 §3.1: responses to changed flags have MODSEQ. */
  isCondstore = false
  /** RFC 7162 §3.2: VANISHED instead of EXPUNGE. */
  isQresync = false
  isUtf8Accept = false
  /** RFC 9051: ESEARCH instead of SEARCH, no RECENT. */
  isRev2 = false
  /** LOGOUT was answered, or BYE was sent. */
  isOver = false

  constructor(services: ImapServices, peer: SessionPeer, input: ByteInput, output: ImapOutput) {
    this.services = services
    this.peer = peer
    this.input = input
    this.output = output
  }

  get limits(): Limits {
    return this.services.limits
  }

  /** RFC 6855 §3, RFC 9051 §5.1: names of mailboxes are UTF-8. */
  get isUtf8(): boolean {
    return this.isUtf8Accept || this.isRev2
  }

  /** Only in commands that need a login. */
  requireAccount(): MailAccount {
    if (!this.account) throw new Error('the command runs before the login')
    return this.account
  }

  /** Only in commands that need a mailbox. */
  requireSelected(): SelectedMailbox {
    if (!this.selected) throw new Error('the command runs without a mailbox')
    return this.selected
  }

  formatMailbox(name: string): string {
    return formatMailbox(name, this.isUtf8)
  }

  /** An untagged response. @param text one character per byte, without "* " and line end */
  untagged(text: string): void {
    this.output.write(`* ${text}\r\n`)
  }

  /**
   * Reports what is known to have changed in the selected mailbox.
   *
   * @param mayExpunge the running command does not forbid EXPUNGE (RFC 9051 §7.5.1)
   */
  async reportChanges({ mayExpunge, isUid = false }: Pick<ReportOptions, 'mayExpunge' | 'isUid'>): Promise<void> {
    // RFC 9051 §5.5: sequence numbers in commands that have been sent already must keep their meaning.
    await this.report({ mayExpunge: mayExpunge && !this.input.hasBytes, isUid, known: this.reported })
  }

  async report(options: ReportOptions): Promise<void> {
    if (!this.selected?.hasUnreported()) return
    const pieces = this.selected.report(this, options)
    for (let piece = pieces.next(); !piece.done; ) {
      this.output.write(piece.value)
      piece = pieces.next()
      if (!piece.done) await this.letOthersRun()
    }
  }

  /** Writes if much was collected, and lets other connections run. Call it in loops. */
  async breathe(): Promise<void> {
    if (!this.output.isFull) return
    await this.output.flush()
    await this.services.work.wait()
  }

  /** As `breathe`, for work that takes some milliseconds, however little it writes. */
  letOthersRun(): Promise<void> {
    return this.output.isFull ? this.breathe() : this.services.work.wait()
  }

  /** Closes the mailbox without expunging. */
  deselect(): void {
    const { selected } = this
    this.selected = undefined
    selected?.close()
  }

  /** When the connection ends. */
  close(): void {
    this.isOver = true
    this.deselect()
    const { account } = this
    this.account = undefined
    if (!account) return
    this.services.accounts.leave(account.name)
    account.close()
  }
}
