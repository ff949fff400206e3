/** Decodes the content of an attachment in a request: base64 in its variants, and data: URLs (RFC 2397). Pure. */
/**
 * Decodes base64 or base64url, with or without padding (RFC 4648 §4, §5), strictly: Node's decoder skips invalid
 * characters, and an incomplete attachment is worse than an error. Line breaks are allowed, because MIME encoders write them
 * (RFC 2045 §6.8). Comparing lengths after decoding avoids another scan of tens of megabytes.
 *
 * @returns undefined if the text is not base64
 */
export function parseBase64(text: string): Buffer | undefined {
  const dense = text.includes('\n') ? withoutLineBreaks(text) : text
  const padding = dense.endsWith('==') ? 2 : dense.endsWith('=') ? 1 : 0
  const digits = dense.length - padding
  if ((padding > 0 && dense.length % 4 !== 0) || digits % 4 === 1) return undefined
  const bytes = Buffer.from(dense, 'base64')
  return bytes.length === Math.floor((digits * 3) / 4) ? bytes : undefined
}

const [CR, LF] = Buffer.from('\r\n')

/** Not by `replace`: with a line break after every few characters it takes seven times as long, and more memory. */
function withoutLineBreaks(text: string): string {
  const bytes = Buffer.from(text) // UTF-8, in which no other character has the bytes of base64
  let length = 0
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]!
    if (byte !== CR && byte !== LF) bytes[length++] = byte
  }
  return bytes.toString('latin1', 0, length)
}

export function isDataUrl(text: string): boolean {
  return /^data:/i.test(text)
}

/** Characters of the part of a data: URL before its data. */
const DATA_HEAD_CHARS_MAX = 1_000

/** @returns undefined if the text is no data: URL, or its data is not what it says */
export function parseDataUrl(text: string): { readonly contentType?: string; readonly bytes: Buffer } | undefined {
  const comma = text.slice(0, DATA_HEAD_CHARS_MAX).indexOf(',')
  if (comma < 0 || !isDataUrl(text)) return undefined
  const head = text.slice('data:'.length, comma).trim()
  const isBase64 = /;\s*base64$/i.test(head)
  const data = text.slice(comma + 1)
  const bytes = isBase64
    ? parseBase64(data.includes('%') ? percentDecode(data).toString('latin1') : data)
    : percentDecode(data)
  const [contentType] = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+/.exec(head) ?? []
  return bytes && { ...(contentType !== undefined && { contentType: contentType.toLowerCase() }), bytes }
}

const PERCENT = 0x25
const HEX = /^[0-9a-f]{2}$/i

/** Characters outside of ASCII are UTF-8, as in other URLs. */
function percentDecode(text: string): Buffer {
  const encoded = Buffer.from(text)
  let length = 0
  for (let at = 0; at < encoded.length; at += 1) {
    const isEscape = encoded[at] === PERCENT && HEX.test(encoded.toString('latin1', at + 1, at + 3))
    encoded[length] = isEscape ? Number.parseInt(encoded.toString('latin1', at + 1, at + 3), 16) : encoded[at]!
    length += 1
    if (isEscape) at += 2
  }
  return encoded.subarray(0, length)
}
