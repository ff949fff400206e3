/**
 * APPEND (RFC 9051 §6.3.12). The message is passed to the store while it arrives. If the store refuses it before it reads, a client
 * that waits (synchronising literal) never sends it; from others it is read and thrown away.
 */
import type { AppendStart } from '../grammar/imap-command.ts'
import { ImapSyntaxError } from '../grammar/imap-syntax.ts'
import type { ImapSession } from '../session/imap-session.ts'
import { type AppendResult, ImapRefusal } from '../session/mail-store.ts'

const CHUNK_BYTES = 64 * 1024
/** Bytes that may follow the literal, which should be ")" or nothing. */
const REST_BYTES_MAX = 1_000

/** @returns 'fatal' if commands can no longer be distinguished from the rest of the message */
export async function append(
  session: ImapSession,
  start: AppendStart,
  isSynchronising: boolean,
): Promise<string | 'fatal'> {
  const upload = new Upload(session, start, isSynchronising)
  let result: AppendResult | undefined
  try {
    if (start.sizeBytes > session.services.messageBytesMax) throw new ImapRefusal('TOOBIG', 'the message is too large')
    if (start.sizeBytes === 0) throw new ImapRefusal('CANNOT', 'the message is empty')
    const { mailbox, flags, internalDate, sizeBytes, isUtf8 } = start
    result = await session
      .requireAccount()
      .append(mailbox, { flags, internalDate, sizeBytes, isUtf8, data: upload.read() })
  } catch (error) {
    if (!(await upload.skip())) return 'fatal'
    throw upload.syntaxError ?? error
  }
  await upload.skip() // nothing is left, unless a store breaks its contract
  if (!result) return 'OK APPEND completed' // a client that got NO would append it again
  const { uidValidity, uid } = result
  return `OK [APPENDUID ${uidValidity} ${uid}] APPEND completed` // RFC 4315 §3
}

class Upload {
  /** The command does not end after its literal. */
  syntaxError: ImapSyntaxError | undefined
  readonly #session: ImapSession
  readonly #start: AppendStart
  readonly #isSynchronising: boolean
  #leftBytes: number
  #hasBegun = false
  #hasEnded = false

  constructor(session: ImapSession, start: AppendStart, isSynchronising: boolean) {
    this.#session = session
    this.#start = start
    this.#isSynchronising = isSynchronising
    this.#leftBytes = start.sizeBytes
  }

  /** The message; throws at its end if the command goes on, so that the store keeps nothing. */
  async *read(): AsyncGenerator<Buffer> {
    const { input } = this.#session
    await this.#begin()
    while (this.#leftBytes > 0) {
      const chunk = await input.chunk(Math.min(this.#leftBytes, CHUNK_BYTES))
      this.#leftBytes -= chunk.length
      yield chunk
    }
    await this.#readRest()
    if (this.syntaxError) throw this.syntaxError
  }

  /** Reads what the client sends of a message that was refused. @returns whether a command can follow */
  async skip(): Promise<boolean> {
    if (this.#hasEnded || (this.#isSynchronising && !this.#hasBegun)) return true
    if (this.#leftBytes > this.#session.limits.imap.skippedBytesMax) return false
    const { input } = this.#session
    while (this.#leftBytes > 0) this.#leftBytes -= (await input.chunk(Math.min(this.#leftBytes, CHUNK_BYTES))).length
    await this.#readRest()
    return true
  }

  async #begin(): Promise<void> {
    this.#hasBegun = true
    if (!this.#isSynchronising) return
    const { output } = this.#session
    output.write('+ ready for the message\r\n')
    await output.flush()
  }

  async #readRest(): Promise<void> {
    const rest = await this.#session.input.line(REST_BYTES_MAX)
    this.#hasEnded = true
    if (rest !== (this.#start.isUtf8 ? ')' : ''))
      this.syntaxError = new ImapSyntaxError('unexpected text after the message')
  }
}
