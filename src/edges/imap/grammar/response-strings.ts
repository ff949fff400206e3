/**
 * Writes strings of responses (RFC 9051 §9) in the shortest form that can express them: atom, quoted, literal. What comes out is
 * always valid, whatever goes in. Bytes of the wire, one character each.
 */
import { ASTRING, encodeUtf8, isAll, isAscii } from './imap-syntax.ts'
import { encodeMailboxName } from './mailbox-name-encoding.ts'

/** Longer strings are literals: some clients have a limit for lines. */
const QUOTED_BYTES_MAX = 1_000

/** @param bytes one character each; without NUL, which no string can have */
export function formatString(bytes: string, allows8Bit = false): string {
  const clean = bytes.includes('\0') ? bytes.replaceAll('\0', '') : bytes
  const isQuotable = clean.length <= QUOTED_BYTES_MAX && !/[\r\n]/.test(clean) && (allows8Bit || isAscii(clean))
  if (!isQuotable) return `{${clean.length}}\r\n${clean}`
  return `"${clean.replace(/["\\]/g, '\\$&')}"`
}

export function formatAstring(bytes: string, allows8Bit = false): string {
  // NIL as an atom could be read as the absence of a string
  return isAll(bytes, ASTRING) && bytes.toUpperCase() !== 'NIL' ? bytes : formatString(bytes, allows8Bit)
}

/** @param name decoded @param isUtf8 as in mailbox-name-encoding.ts */
export function formatMailbox(name: string, isUtf8: boolean): string {
  return formatAstring(encodeMailboxName(name, isUtf8), isUtf8)
}

/** Human-readable text at the end of a response: one line, ASCII, not empty (RFC 9051 §9, text). */
export function formatText(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, '?').trim() || 'failed'
}

/** @param text any text, as UTF-8 in quotes or a literal: only clients that asked for such an item get it */
export function formatUtf8(text: string): string {
  return formatString(encodeUtf8(text))
}
