/**
 * Signatures of texts for substring search: a bit set with one bit per hashed sequence of characters. A text can contain a
 * word only if its signature has all bits of the word, so a search reads only the texts that may match, and compares these.
 *
 * The sequences have 3 and 5 UTF-16 units: 3 find 验证码 inside a sentence, and 5 tell a phrase from its common syllables.
 * Words would not do: they are not separated in every script.
 */

/** Bits of a signature. A text of 2,000 characters sets about 37 % of them, one of 8,000 characters 70 %. */
export const SIGNATURE_BITS = 6_000
export const SIGNATURE_BYTES = SIGNATURE_BITS / 8

const [SHORT, LONG] = [3, 5] as const
/** Bits of a query: more would exclude hardly any more texts. */
const QUERY_BITS_MAX = 16

/**
 * Texts are compared in this form: case and the kind of white space make no difference, so a phrase is found across lines.
 * Change SEARCH_TEXT_VERSION (mail/messages/search/message-text.ts) with it.
 */
export function foldText(text: string): string {
  return collapseSpace(text.toLowerCase())
}

export function collapseSpace(text: string): string {
  return text.replace(/\s\s+|[^\S ]/g, ' ') // as /\s+/g, but without a match at each space
}

/** @param texts folded; a sequence never continues in the next text */
export function signatureOf(texts: readonly string[]): Uint8Array {
  const signature = new Uint8Array(SIGNATURE_BYTES)
  for (const text of texts) {
    for (let at = 0; at + SHORT <= text.length; at += 1) {
      setBit(signature, bitAt(text, at, SHORT))
      if (at + LONG <= text.length) setBit(signature, bitAt(text, at, LONG))
    }
  }
  return signature
}

/** Returns the bits that the signature of every text with all these parts has; none if the parts are too short. */
export function queryBits(parts: readonly string[]): number[] {
  const found = [LONG, SHORT].flatMap((length) =>
    parts.flatMap((part) =>
      Array.from({ length: Math.max(0, part.length - length + 1) }, (_, at) => bitAt(part, at, length)),
    ),
  )
  const bits = [...new Set(found)]
  const step = Math.max(1, bits.length / QUERY_BITS_MAX)
  return Array.from({ length: Math.min(bits.length, QUERY_BITS_MAX) }, (_, index) => bits[Math.floor(index * step)]!)
}

function setBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3]! |= 1 << (bit & 7)
}

/** MurmurHash3's multiplication and final mixing: sequential characters must not become neighbouring bits. */
function bitAt(text: string, at: number, length: number): number {
  let hash = length
  for (let index = at; index < at + length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0xcc9e2d51)
    hash ^= hash >>> 15
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return ((hash ^ (hash >>> 13)) >>> 0) % SIGNATURE_BITS
}
