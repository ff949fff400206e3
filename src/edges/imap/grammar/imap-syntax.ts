/**
 * The characters of IMAP's grammar (RFC 9051 §9), and the error for input that does not follow it. Text of the wire is a
 * string with one character per byte ("latin1") throughout grammar/.
 */

/** A command that the grammar does not allow: the answer is BAD (RFC 9051 §7.1). */
export class ImapSyntaxError extends Error {
  constructor(text: string) {
    super(text)
    this.name = 'ImapSyntaxError'
  }
}

export const ATOM = 1
export const ASTRING = 2
export const LIST = 4
export const TAG = 8
export const DIGIT = 16

/** Which of the classes above a byte belongs to. Bytes above 127 belong to none: they need a quoted string or a literal. */
const classes = new Uint8Array(256)
for (let code = 0x21; code < 0x7f; code++) {
  const char = String.fromCharCode(code)
  if ('(){"\\'.includes(char)) continue
  const isAtom = !'%*]'.includes(char)
  classes[code] =
    LIST |
    (isAtom ? ATOM : 0) |
    (isAtom || char === ']' ? ASTRING : 0) |
    ((isAtom && char !== '+') || char === ']' ? TAG : 0) |
    (char >= '0' && char <= '9' ? DIGIT : 0)
}

/** @param code of one byte; NaN, after the end, belongs to no class */
export function isIn(code: number, wanted: number): boolean {
  return (classes[code]! & wanted) !== 0
}

/** Whether all of a text that is not empty is of a class. */
export function isAll(text: string, wanted: number): boolean {
  for (let i = 0; i < text.length; i++) if (!isIn(text.charCodeAt(i), wanted)) return false
  return text !== ''
}

/** Bytes of the wire to text. @returns undefined if they are not UTF-8 */
export function decodeUtf8(wire: string): string | undefined {
  if (isAscii(wire)) return wire
  try {
    return strictUtf8.decode(Buffer.from(wire, 'latin1'))
  } catch {
    return undefined // TextDecoder reports malformed input by an exception only
  }
}

/** Text to bytes of the wire. */
export function encodeUtf8(text: string): string {
  return isAscii(text) ? text : Buffer.from(text).toString('latin1')
}

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
