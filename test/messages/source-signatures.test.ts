/** Tests that the signatures of a whole message, and the comparison, have every text in it, also one that lies across two signatures or pieces. */
import { expect, test } from 'vitest'
import type { MessageTextPiece } from '../../src/formats/imap/message-texts.ts'
import { hasBits, queryBits } from '../../src/formats/search/search-signature.ts'
import { createPieceFolder, OVERLAP_CHARS, SignedTexts } from '../../src/mail/messages/search/source-signatures.ts'

const FOLDED_CHARS = 128 * 1024
const SHORT = 'qzxjkvbnmw'
/** Longer than the part of a text that signatures are asked for. */
const LONG = Array.from({ length: 320 }, (_, at) => String.fromCharCode(0x430 + ((at * 7 + (at >> 3)) % 32))).join('')
const FILLER = 'lorem ipsum '.repeat(12_000)

/** One text with the needle there. */
const textWith = (needle: string, at: number) => FILLER.slice(0, at) + needle + FILLER.slice(0, 600)
const onePiece = (text: string): MessageTextPiece[] => [{ isHeader: false, isContinued: false, text }]
const twoPieces = (text: string, at: number): MessageTextPiece[] => [
  { isHeader: false, isContinued: false, text: text.slice(0, at) },
  { isHeader: false, isContinued: true, text: text.slice(at) },
]

function isSigned(pieces: readonly MessageTextPiece[], needle: string): boolean {
  const signed = new SignedTexts()
  const fold = createPieceFolder()
  for (const piece of pieces) for (const folded of fold(piece)) signed.add(folded)
  const bits = queryBits([needle.slice(0, OVERLAP_CHARS)])
  return bits.length > 0 && signed.end().some((signature) => hasBits(signature, bits))
}

const around = (border: number, needle: string) =>
  Array.from({ length: needle.length + 4 }, (_, at) => border - needle.length - 2 + at)

test.each([
  ['one signature and the next', 8_000],
  ['the second signature and the third', 16_000],
])('a short text across %s is in a signature', (_, border) => {
  for (const at of around(border, SHORT)) expect(isSigned(onePiece(textWith(SHORT, at)), SHORT), String(at)).toBe(true)
  for (const at of around(border + OVERLAP_CHARS, SHORT))
    expect(isSigned(onePiece(textWith(SHORT, at)), SHORT), String(at)).toBe(true)
})

test('a short text across two parts that are folded apart is in a signature', () => {
  for (const at of around(FOLDED_CHARS, SHORT))
    expect(isSigned(onePiece(textWith(SHORT, at)), SHORT), String(at)).toBe(true)
  for (const at of around(9_000, SHORT))
    expect(isSigned(twoPieces(textWith(SHORT, at), 9_000), SHORT), String(at)).toBe(true)
})

test('the beginning of a long text is in one signature, wherever it is', () => {
  for (const at of around(8_000, LONG)) expect(isSigned(onePiece(textWith(LONG, at)), LONG), String(at)).toBe(true)
})

test('a long text across two parts that are folded apart is compared', () => {
  for (const at of around(9_000, LONG)) {
    const fold = createPieceFolder(LONG.length)
    const folded = twoPieces(textWith(LONG, at), 9_000).flatMap((piece) => [...fold(piece)])
    expect(
      folded.some((each) => each.includes(LONG)),
      String(at),
    ).toBe(true)
  }
})
