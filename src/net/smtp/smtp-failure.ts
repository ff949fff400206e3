/** The end of an SMTP session that failed, and the result for a recipient: a reply or such a failure. */
import type { SmtpReply } from './smtp-reply.ts'

/** The step of a session in which it broke. */
export type SmtpStage =
  | 'greeting' // up to the reply to EHLO
  | 'tls'
  | 'login'
  | 'envelope' // up to the 354 reply to DATA
  | 'mail'
  | 'sent' // all bytes are sent: it is unknown whether the server accepted the message

/** Thrown when a session ended or could not be opened. */
export class SmtpFailure extends Error {
  override readonly name = 'SmtpFailure'
  readonly stage: SmtpStage
  /** The server's last reply, if there was one. */
  readonly reply: SmtpReply | undefined
  /** The command that the server rejected; undefined if the connection broke or timed out. */
  readonly command: string | undefined
  readonly isTimeout: boolean

  constructor(
    stage: SmtpStage,
    message: string,
    more: { reply?: SmtpReply; command?: string | undefined; isTimeout?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause })
    this.stage = stage
    this.reply = more.reply
    this.command = more.command === 'CONN' ? undefined : more.command
    this.isTimeout = more.isTimeout ?? false
  }
}

/**
 * The result for one recipient: the server's reply and the command to which it replied, or the failure of the session.
 */
export type SmtpResult =
  | { readonly reply: SmtpReply; readonly command: 'MAIL' | 'RCPT' | 'DATA' }
  | { readonly failure: SmtpFailure }

/** Turns a failure into a result: a rejection of the whole message is a reply, a broken session is not. */
export function resultOfFailure(failure: SmtpFailure): SmtpResult {
  const { reply, command } = failure
  if (!reply || command === undefined) return { failure }
  return { command: command === 'MAIL FROM' ? 'MAIL' : command === 'RCPT TO' ? 'RCPT' : 'DATA', reply }
}
