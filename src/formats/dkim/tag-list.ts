/**
 * Reads lists of `name=value;` pairs, which DKIM, ARC and DMARC use (RFC 6376 §3.2, RFC 8617 §4.1, RFC 7489 §6.4). Pure.
 */

/** By name, which is case-sensitive. Values are without the white space around them. */
export type TagList = ReadonlyMap<string, string>

const TAG_NAME = /^[A-Za-z][A-Za-z0-9_]*$/
/** Folding white space, as it is in header fields and in DNS records. */
const WHITE_SPACE = ' \t\r\n'

/**
 * Reads a list of DKIM or ARC, in which one mistake makes all of it invalid.
 *
 * @returns undefined for what is no list: a pair without "=", a malformed name, or a name that occurs twice
 */
export function parseTagList(text: string): TagList | undefined {
  const tags = new Map<string, string>()
  const pairs = text.split(';')
  for (const [index, written] of pairs.entries()) {
    const pair = readPair(written)
    if (pair === undefined) {
      const isEnd = index === pairs.length - 1 && trimmed(written) === '' // a semicolon after the last pair
      if (isEnd) break
      return undefined
    }
    if (tags.has(pair.name)) return undefined
    tags.set(pair.name, pair.value)
  }
  return tags
}

/** Reads a list of DMARC: what is malformed is left out (RFC 7489 §6.3), and of a name that occurs twice, the first pair counts. */
export function readTags(text: string): TagList {
  const tags = new Map<string, string>()
  for (const pair of text.split(';').map(readPair))
    if (pair !== undefined && !tags.has(pair.name)) tags.set(pair.name, pair.value)
  return tags
}

function readPair(text: string): { name: string; value: string } | undefined {
  const equals = text.indexOf('=')
  const name = trimmed(text.slice(0, Math.max(equals, 0)))
  return TAG_NAME.test(name) ? { name, value: trimmed(text.slice(equals + 1)) } : undefined
}

/** Splits a list in a value: `from : to : subject`. */
export function splitValues(value: string): string[] {
  return value.split(':').map(trimmed)
}

/** Decodes base64 that may contain folding white space (RFC 6376 §2.10). @returns undefined if it is no base64 */
export function decodeTagBase64(value: string): Buffer | undefined {
  const compact = value.replace(/[ \t\r\n]+/g, '')
  return /^[A-Za-z0-9+/]+={0,2}$/.test(compact) ? Buffer.from(compact, 'base64') : undefined
}

/**
 * `String.trim` would also remove bytes of UTF-8 characters, such as 0xA0. A regular expression for the end would take quadratic
 * time: 4 s for a DNS record of 60 KB.
 */
function trimmed(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && WHITE_SPACE.includes(text[start]!)) start += 1
  while (end > start && WHITE_SPACE.includes(text[end - 1]!)) end -= 1
  return text.slice(start, end)
}
