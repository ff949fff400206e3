/** Creates and parses ids: UUIDs for rows, and Message-IDs. Time and randomness are passed in as arguments. */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** RFC 5322 §2.1.1: a line has at most 998 characters, and a Message-ID cannot be folded. */
const MESSAGE_ID_CHARS_MAX = 998

/**
 * Returns a UUID that sorts by time (RFC 9562 §5.7): 48 bits of milliseconds, then random bits. UUIDs of the same
 * millisecond sort in random order.
 *
 * @param nowMs   Unix time in milliseconds
 * @param random  at least 10 random bytes
 * @returns lower-case, with hyphens
 */
export function uuidv7(nowMs: number, random: Buffer): string {
  const bytes = Buffer.alloc(16)
  bytes.writeUIntBE(nowMs, 0, 6)
  random.copy(bytes, 6, 0, 10)
  bytes[6] = (bytes[6]! & 0x0f) | 0x70 // version 7
  bytes[8] = (bytes[8]! & 0x3f) | 0x80 // variant 10 (RFC 9562 §4.1)
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Accepts every version, in lower or upper case. */
export function isUuid(text: string): boolean {
  return UUID.test(text)
}

/** Returns `<uuid@domain>`. It is as unique as the UUID, and contains its time (RFC 5322 §3.6.4). */
export function messageIdFrom(uuid: string, domain: string): string {
  return `<${uuid}@${domain}>`
}

/** Removes white space and angle brackets around a Message-ID: clients send it with and without brackets. */
export function trimMessageId(text: string): string {
  const trimmed = text.trim()
  return trimmed.startsWith('<') && trimmed.endsWith('>') ? trimmed.slice(1, -1).trim() : trimmed
}

/**
 * Returns the Message-IDs in a header value, with brackets, in order and without duplicates. Text between them
 * (comments, phrases of old mail programs) is skipped, and so is an id without "@", with white space, or over 998
 * characters.
 *
 * @param countMax  only this many ids are returned, the last ones: in References they are the nearest ancestors
 */
export function parseMessageIds(value: string, countMax: number): string[] {
  const ids = new Set<string>()
  let from = 0
  for (let end = value.indexOf('>'); end >= 0; end = value.indexOf('>', from)) {
    const piece = value.slice(from, end + 1) // no part is read twice, so many ">" take linear time
    const id = piece.slice(Math.max(0, piece.lastIndexOf('<')))
    if (isMessageId(id)) ids.add(id)
    from = end + 1
  }
  return [...ids].slice(-countMax)
}

/** Whether this is `<left@right>` without white space or control characters. UTF-8 is allowed (RFC 6532 §3.3). */
function isMessageId(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it must reject control characters
  return text.length <= MESSAGE_ID_CHARS_MAX && /^<[^<>@\s\x00-\x1f\x7f]+@[^<>\s\x00-\x1f\x7f]+>$/.test(text)
}
