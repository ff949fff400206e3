/**
 * Writes a text as JSON.stringify does, but as bytes of UTF-8 and without the quotation marks.
 *
 * JSON.stringify appends the characters of a text one by one, and its result has to be encoded; together this takes
 * four times as long. It works in pieces outside of the JavaScript heap: as one string, a body of control characters takes
 * several times its size, and one allocation of that size beyond the heap limit of a thread ends the whole process.
 */

const PIECE_CHARS = 8 * 1024
/** A UTF-16 unit has at most three bytes in UTF-8, and six as an escape. */
const UTF_8 = Buffer.allocUnsafe(3 * PIECE_CHARS)
const ESCAPED = Buffer.allocUnsafe(6 * PIECE_CHARS)

const BACKSLASH = 0x5c
const ZERO = 0x30
const UNICODE = 'u'.charCodeAt(0)
const HEX_DIGITS = Buffer.from('0123456789abcdef')

/** The letter that follows the backslash, by the byte that is escaped; 0: it is not escaped. */
const ESCAPE_LETTERS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const json = JSON.stringify(String.fromCharCode(byte))
  return json.length > '"a"'.length ? json.charCodeAt(2) : 0
})

/** @returns the pieces of the JSON, in order */
export function jsonText(text: string): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0, end = 0; at < text.length; at = end) {
    end = at + PIECE_CHARS
    if (isFirstOfPair(text.charCodeAt(end - 1))) end -= 1 // half of a pair would become an escape
    const piece = text.slice(at, end)
    // UTF-8 has no halves of pairs.
    pieces.push(piece.isWellFormed() ? escaped(piece) : Buffer.from(JSON.stringify(piece).slice(1, -1)))
  }
  return pieces
}

function escaped(piece: string): Buffer {
  const size = UTF_8.write(piece)
  let length = 0
  for (let at = 0; at < size; at++) {
    const byte = UTF_8[at]!
    const letter = ESCAPE_LETTERS[byte]!
    if (letter === 0) {
      ESCAPED[length++] = byte
      continue
    }
    ESCAPED[length++] = BACKSLASH
    ESCAPED[length++] = letter
    if (letter !== UNICODE) continue
    ESCAPED[length++] = ZERO
    ESCAPED[length++] = ZERO
    ESCAPED[length++] = HEX_DIGITS[byte >> 4]!
    ESCAPED[length++] = HEX_DIGITS[byte & 0xf]!
  }
  return Buffer.from(ESCAPED.subarray(0, length))
}

function isFirstOfPair(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
