/** Creates and parses ids: UUIDs for rows, and Message-IDs. Time and randomness are passed in as arguments. */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** RFC 5322 §2.1.1: a line has at most 998 characters, and a Message-ID cannot be folded. */
const MESSAGE_ID_CHARS_MAX = 998

/** The random part of a UUID. */
export const UUID_RANDOM_BYTES = 10

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

/** Ids of relays: Amazon SES gives 60 characters. Shorter words of a reply could be anything. */
const RELAY_ID = /^[\w+/-]{20,250}$/
const RELAY_ID_DIGITS_MIN = 4

/**
 * Finds the id that a relay gave to a message, in its reply to the message. Amazon SES replaces the Message-ID by one
 * with this id on the left of "@", and only the reply says so: "Ok 0100018f6a3e…-000000".
 *
 * @returns undefined if no word of the reply can be an id
 */
export function findRelayId(reply: string): string | undefined {
  const words = reply.split(/[\s<>@,;:=]+/)
  return words.find((word) => RELAY_ID.test(word) && word.replace(/\D/g, '').length >= RELAY_ID_DIGITS_MIN)
}

/** Returns the part of a Message-ID that a relay may have chosen, without bracket and domain; undefined if there is none. */
export function relayPart(messageId: string): string | undefined {
  const [, left] = /^<([^@]*)@/.exec(messageId) ?? []
  return left !== undefined && RELAY_ID.test(left) ? left : undefined
}

/**
 * Whether an id stays one segment of a URL, even if a client does not escape it. The sender of a message chooses its id,
 * and some clients put it into the path as it is: with "/../", "?" or "#" in it, their request would be about something
 * else (RFC 3986 §3.3, §5.2.4). A single "/" is common and harmless.
 */
export function isSafeInPath(messageId: string): boolean {
  return !/[?#%\\]/.test(messageId) && !/\/\.{0,2}(?=\/)/.test(messageId)
}

/** What `pathSafeMessageId` writes for a character: two hexadecimal digits between tildes. */
const ESCAPED = /~[0-9A-F]{2}~/

/**
 * Returns the form in which clients see a Message-ID: itself, if it is safe in a path. In any other, each of
 * `? # % / \ ~` is written as its code between tildes: `<a?b@c>` becomes `<a~3F~b@c>`. Tildes are not escaped in URLs (RFC 3986
 * §2.3), so all clients send them as they are.
 *
 * Two ids never have the same form: an id that already looks like one is escaped too.
 */
export function pathSafeMessageId(messageId: string): string {
  if (isSafeInPath(messageId) && !ESCAPED.test(messageId)) return messageId
  return messageId.replace(/[?#%/\\~]/g, (character) => `~${character.charCodeAt(0).toString(16).toUpperCase()}~`)
}

/** Removes white space and angle brackets around a Message-ID: clients send it with and without brackets. */
export function trimMessageId(text: string): string {
  const trimmed = text.trim()
  return trimmed.startsWith('<') && trimmed.endsWith('>') ? trimmed.slice(1, -1).trim() : trimmed
}

/**
 * Returns the Message-IDs in a header value, with brackets, in order and without duplicates. An id is an opaque name:
 * real ids lack the "@" that RFC 5322 §3.6.4 requires, and are folded in the middle, so white space inside brackets is
 * removed. Text between ids (comments, phrases of old mail programs) is skipped, and so is an id over 998 characters.
 * A value of addr-specs without a pair of brackets is a list of ids whose brackets are missing.
 *
 * @param value     unfolded, with encoded words decoded
 * @param countMax  only this many ids are returned, the last ones: in References they are the nearest ancestors
 */
export function parseMessageIds(value: string, countMax: number): string[] {
  const ids = new Set<string>()
  const add = (id: string) => isMessageId(id) && ids.add(id)
  let from = 0
  for (let end = value.indexOf('>'); end >= 0; end = value.indexOf('>', from)) {
    const piece = value.slice(from, end + 1) // no part is read twice, so many ">" take linear time
    const open = piece.lastIndexOf('<')
    if (open >= 0) add(piece.slice(open).replace(/\s/g, ''))
    from = end + 1
  }
  if (!value.includes('<') || !value.includes('>')) for (const id of bareIds(value)) add(id)
  return [...ids].slice(-countMax)
}

/** Returns the words of a value with brackets around each, unless one of them cannot be an id. */
function bareIds(value: string): string[] {
  const words = value.split(/[\s,;<>]+/).filter((word) => word !== '')
  return words.every((word) => /^[^@"()]+@[^@"()]+$/.test(word)) ? words.map((word) => `<${word}>`) : []
}

/** Whether this is an id in brackets. UTF-8 is allowed (RFC 6532 §3.3). */
function isMessageId(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it must reject control characters
  return text.length <= MESSAGE_ID_CHARS_MAX && /^<[^<>\s\x00-\x1f\x7f]+>$/.test(text)
}
