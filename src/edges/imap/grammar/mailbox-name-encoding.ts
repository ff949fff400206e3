/**
 * Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3), or UTF-8 once the client has enabled UTF8=ACCEPT
 * (RFC 6855 §3) or IMAP4rev2 (RFC 9051 §5.1).
 */
import { decodeUtf8, encodeUtf8 } from './imap-syntax.ts'

/** @returns undefined if `wire` is not a name in this encoding. INBOX is in upper case (RFC 9051 §5.1) */
export function decodeMailboxName(wire: string, isUtf8: boolean): string | undefined {
  const name = isUtf8 ? decodeUtf8(wire) : decodeModifiedUtf7(wire)
  if (name === undefined || CONTROL.test(name)) return undefined
  return /^inbox(?=\/|$)/i.test(name) ? `INBOX${name.slice(5)}` : name
}

/** @returns the bytes of the name, not quoted */
export function encodeMailboxName(name: string, isUtf8: boolean): string {
  return isUtf8 ? encodeUtf8(name) : encodeModifiedUtf7(name)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 9051 §5.1: names have no control characters, also none of C1 and U+2028/9
const CONTROL = /[\0-\x1f\x7f-\x9f\u2028\u2029]/

/** "&" is the shift character; "&-" is "&" itself. Not ASCII, or not canonical: undefined. */
export function decodeModifiedUtf7(wire: string): string | undefined {
  let text = ''
  let at = 0
  while (at < wire.length) {
    const shift = wire.indexOf('&', at)
    const plainEnd = shift === -1 ? wire.length : shift
    for (let i = at; i < plainEnd; i++) {
      const code = wire.charCodeAt(i)
      if (code < 0x20 || code > 0x7e) return undefined
    }
    text += wire.slice(at, plainEnd)
    if (shift === -1) return text
    const end = wire.indexOf('-', shift)
    if (end === -1) return undefined
    const shifted = end === shift + 1 ? '&' : decodeShifted(wire.slice(shift + 1, end))
    if (shifted === undefined) return undefined
    text += shifted
    at = end + 1
    // "&Jjo-&Jjo-": two shifts in a row are one
    if (end > shift + 1 && wire[at] === '&' && wire[at + 1] !== '-') return undefined
  }
  return text
}

function decodeShifted(digits: string): string | undefined {
  if (!/^[A-Za-z0-9+,]+$/.test(digits)) return undefined
  const bytes = Buffer.from(digits.replaceAll(',', '/'), 'base64')
  if (bytes.length === 0 || bytes.length % 2 !== 0) return undefined
  const text = bytes.swap16().toString('utf16le')
  // What ASCII can express must not be shifted: a name would have two spellings.
  if (!text.isWellFormed() || /[\x20-\x7e]/.test(text) || encodeShifted(text) !== digits) return undefined
  return text
}

export function encodeModifiedUtf7(text: string): string {
  return text.replace(/&|[^\x20-\x7e]+/g, (part) => (part === '&' ? '&-' : `&${encodeShifted(part)}-`))
}

function encodeShifted(text: string): string {
  return Buffer.from(text, 'utf16le').swap16().toString('base64').replace(/=+$/, '').replaceAll('/', ',')
}
