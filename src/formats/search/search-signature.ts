/**
 * Signatures of texts for substring search: a bit set with one bit per hashed sequence of characters. A text can contain a
 * word only if its signature has all bits of the word, so a search reads only the texts that may match, and compares these.
 *
 * The sequences have 3 and 5 UTF-16 units: 3 find a short word, and 5 tell a phrase from its common syllables. Where they begin
 * with an ideograph, they have 2 and 3: 验证 is a word. Words would not do: they are not separated in every script.
 */

/** Bits of a signature. A text of 2,000 characters sets about 37 % of them, one of 8,000 characters 70 %. */
export const SIGNATURE_BITS = 6_000
export const SIGNATURE_BYTES = SIGNATURE_BITS / 8

/** Lengths of the sequences that begin with a letter, and of those that begin with an ideograph. */
const LENGTHS = { letter: [5, 3], ideograph: [3, 2] } as const
const LENGTHS_OF_QUERY = [5, 3, 2] as const
/** The first radical. Kana, Hangul and halves of surrogate pairs are above it. */
const FIRST_IDEOGRAPH = 0x2e80
/** Bits of a query: more would exclude hardly any more texts. */
const QUERY_BITS_MAX = 64
/** Neighbouring sequences overlap, and tell almost the same. */
const NEIGHBOURS = 4

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
    for (let at = 0; at < text.length; at += 1) {
      for (const length of lengthsAt(text, at)) {
        if (at + length <= text.length) setBit(signature, bitAt(text, at, length))
      }
    }
  }
  return signature
}

/**
 * Returns the bits that the signature of every text with all these parts has; none if the parts are too short. Those that
 * exclude most are first: of long sequences, and of each part in turn.
 */
export function queryBits(parts: readonly string[]): number[] {
  const bits = new Set<number>()
  for (const length of LENGTHS_OF_QUERY) {
    const starts = parts.map((part) => spread(part, length))
    for (let turn = 0; starts.some((mine) => turn < mine.length); turn += 1) {
      for (const [index, part] of parts.entries()) {
        const at = starts[index]![turn]
        if (at !== undefined) bits.add(bitAt(part, at, length))
      }
    }
  }
  return [...bits].slice(0, QUERY_BITS_MAX)
}

/** Whether a signature has all of these bits. */
export function hasBits(signature: Uint8Array, bits: readonly number[]): boolean {
  return bits.every((bit) => (signature[bit >> 3]! & (1 << (bit & 7))) !== 0)
}

/** Returns where the sequences of a length begin, with neighbours apart: 0 4 8 … 1 5 9 … */
function spread(part: string, length: number): number[] {
  const starts = Array.from({ length: Math.max(0, part.length - length + 1) }, (_, at) => at)
  const mine = starts.filter((at) => lengthsAt(part, at).includes(length))
  return Array.from({ length: NEIGHBOURS }, (_, first) => mine.filter((at) => at % NEIGHBOURS === first)).flat()
}

function lengthsAt(text: string, at: number): readonly number[] {
  return text.charCodeAt(at) < FIRST_IDEOGRAPH ? LENGTHS.letter : LENGTHS.ideograph
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
  // SIGNATURE_BITS as a literal: V8 then multiplies instead of dividing, and a signature takes 0.6 of the time.
  return ((hash ^ (hash >>> 13)) >>> 0) % 6_000
}
