/**
 * Reads one command of a client with its literals (RFC 9051 §4.3, RFC 7888): asks for those that wait for it, refuses those that
 * are too large, and stops at the message of APPEND, which is streamed.
 */
import { isAppend, parseAppendStart } from '../grammar/append-parser.ts'
import { tagOf } from '../grammar/grammar-context.ts'
import type { AppendStart } from '../grammar/imap-command.ts'
import { ImapSyntaxError } from '../grammar/imap-syntax.ts'
import type { ImapSession } from './imap-session.ts'

export type ReadCommand =
  | { readonly kind: 'command'; readonly wire: string }
  | { readonly kind: 'append'; readonly start: AppendStart; readonly isSynchronising: boolean }
  /** The client was not asked for the literal, so the next line is another command. */
  | { readonly kind: 'refused'; readonly tag: string | undefined; readonly completion: string }
  /** The connection must end: commands can no longer be distinguished from the rest of the literal. */
  | { readonly kind: 'fatal'; readonly text: string }

/** At the end of a line: the literal that follows it. */
const ANNOUNCEMENT = /~?\{(\d{1,20})(\+?)\}$/
const ANNOUNCEMENT_BYTES_MAX = 24

/** @throws ConnectionEnded, LineTooLong */
export async function readCommand(session: ImapSession): Promise<ReadCommand> {
  const { input, output, limits } = session
  const { lineBytesMax, commandBytesMax, earlyCommandBytesMax, earlyLiteralBytesMax } = limits.imap
  const bytesMax = session.account ? commandBytesMax : earlyCommandBytesMax
  const literalMax = session.account ? commandBytesMax : earlyLiteralBytesMax
  let wire = ''
  for (;;) {
    const line = await input.line(Math.min(lineBytesMax, bytesMax - wire.length))
    wire += line
    const [announcement, digits, plus] =
      (line.endsWith('}') && ANNOUNCEMENT.exec(line.slice(-ANNOUNCEMENT_BYTES_MAX))) || []
    if (announcement === undefined) return { kind: 'command', wire }
    const isSynchronising = plus === ''
    if (session.account && isAppend(wire)) {
      const start = beginAppend(`${wire}\r\n`, session, isSynchronising)
      if (start) return start
    }
    const bytes = Number(digits)
    if (bytes > literalMax || wire.length + bytes > bytesMax) {
      // RFC 7888 §4: without a synchronising literal, closing is what keeps the commands apart
      if (!session.account || !isSynchronising) return { kind: 'fatal', text: 'literal too large' }
      return { kind: 'refused', tag: tagOf(wire), completion: 'NO [TOOBIG] literal too large' }
    }
    session.isMidCommand = true
    if (isSynchronising) {
      output.write('+ ready for the literal\r\n')
      await output.flush()
    }
    wire += `\r\n${await input.exactly(bytes)}`
  }
}

/** @returns undefined if the literal is the name of the mailbox */
function beginAppend(wire: string, session: ImapSession, isSynchronising: boolean): ReadCommand | undefined {
  try {
    const start = parseAppendStart(wire, session)
    return start && { kind: 'append', start, isSynchronising }
  } catch (error) {
    if (!(error instanceof ImapSyntaxError)) throw error
    if (isSynchronising) return { kind: 'refused', tag: tagOf(wire), completion: `BAD ${error.message}` }
    return undefined // it is read like any literal, and refused with its command
  }
}
