/** Decodes the bytes of a text part: a body of a message, or an attachment. */
import { isAscii, isUtf8 } from 'node:buffer'
import { decodeCharset, isUnreliable } from './charset.ts'
import { charsetInHtml } from './html-charset.ts'

interface TextType {
  /** Lower-case `type/subtype`. */
  readonly contentType: string
  /** As declared. */
  readonly charset?: string | undefined
}

/**
 * @param bytes  with the transfer encoding decoded
 * @param isCut  whether these are only the first bytes: a character may be incomplete
 */
export function decodeText(bytes: Buffer, type: TextType, isCut: boolean): string {
  const complete = isCut ? withoutPartialCharacter(bytes) : bytes
  return decodeCharset(complete, charsetOf(type, complete))
}

/**
 * The declared label; of HTML without a reliable one, that in the document. Mail programs that convert HTML to UTF-8 leave
 * the old label in it, so bytes above 127 that are valid UTF-8 are more reliable.
 */
function charsetOf({ contentType, charset }: TextType, bytes: Buffer): string | undefined {
  if (contentType !== 'text/html' || !isUnreliable(charset)) return charset
  return (isUtf8(bytes) && !isAscii(bytes) ? 'utf-8' : charsetInHtml(bytes)) ?? charset
}

/** Removes an incomplete UTF-8 character at the end: with it, the bytes would be decoded with another charset. */
function withoutPartialCharacter(bytes: Buffer): Buffer {
  let lead = bytes.length - 1
  while (lead > bytes.length - 4 && isContinuation(bytes[lead])) lead--
  const byte = bytes[lead] ?? 0
  const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
  return lead + size > bytes.length ? bytes.subarray(0, lead) : bytes
}

/** Whether this is not the first byte of a UTF-8 character: 10xxxxxx. */
function isContinuation(byte = 0): boolean {
  return (byte & 0xc0) === 0x80
}
