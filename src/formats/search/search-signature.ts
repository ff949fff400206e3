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
  return collapseSpace(foldCase(text))
}

/** Two forms of one letter. */
export const [FINAL_SIGMA, SIGMA] = ['ς', 'σ'] as const

/**
 * As long as the lower case. That of Σ is ς at the end of a word and σ elsewhere, the only letter for which this depends on
 * others: a word, or a piece of a text, would not be found inside another word.
 */
export function foldCase(text: string): string {
  return text.toLowerCase().replaceAll(FINAL_SIGMA, SIGMA)
}

export function collapseSpace(text: string): string {
  return text.replace(/\s\s+|[^\S ]/g, ' ') // as /\s+/g, but without a match at each space
}

/** @param texts folded; a sequence never continues in the next text */
export function signatureOf(texts: readonly string[]): Uint8Array {
  const signature = new Uint8Array(SIGNATURE_BYTES)
  for (const text of texts) setBits(signature, text)
  return signature
}

/** Sets the bits that `bitAt` names, for each position of a text. This is most of the work of an index, so the hashes are built step by step. */
function setBits(signature: Uint8Array, text: string): void {
  const { length } = text
  for (let at = 0; at < length - 1; at += 1) {
    const first = text.charCodeAt(at)
    const two = (Math.imul(first, FACTORS[0]) + Math.imul(text.charCodeAt(at + 1), FACTORS[1])) | 0
    const isLetter = first < FIRST_IDEOGRAPH
    if (!isLetter) setBit(signature, bitOf(two, 2))
    if (at + 3 > length) continue
    const three = (two + Math.imul(text.charCodeAt(at + 2), FACTORS[2])) | 0
    setBit(signature, bitOf(three, 3))
    if (!isLetter || at + 5 > length) continue
    const four = (three + Math.imul(text.charCodeAt(at + 3), FACTORS[3])) | 0
    setBit(signature, bitOf((four + Math.imul(text.charCodeAt(at + 4), FACTORS[4])) | 0, 5))
  }
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

/** Odd and without a pattern: sequences that differ have another sum. */
const FACTORS = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1] as const

function bitAt(text: string, at: number, length: number): number {
  let sum = 0
  for (let index = 0; index < length; index += 1)
    sum = (sum + Math.imul(text.charCodeAt(at + index), FACTORS[index]!)) | 0
  return bitOf(sum, length)
}

/**
 * Mixes the sum of a sequence: sequential characters must not become neighbouring bits. The highest bits of the product depend on
 * all bits of the sum, so they select the bit; a remainder would take several times as long.
 */
function bitOf(sum: number, length: number): number {
  const mixed = Math.imul(sum ^ (sum >>> 15) ^ length, 0x2c1b3c6d)
  const hash = Math.imul(mixed ^ (mixed >>> 13), 0x297a2d39)
  return Math.floor((hash >>> 0) * BITS_PER_HASH)
}

const BITS_PER_HASH = SIGNATURE_BITS / 2 ** 32
