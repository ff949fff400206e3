/**
 * The texts of whole messages as SEARCH of IMAP compares them (formats/imap/message-texts.ts), folded, and their signatures. The same
 * texts are compared and signed, so that a signature excludes only what cannot match. Used on the event loop and in a thread.
 */
import type { Limits } from '../../../config/limits.ts'
import type { MessageTextPiece } from '../../../formats/imap/message-texts.ts'
import { BLOCK_TEXTS } from '../../../formats/search/search-block.ts'
import { foldText, SIGNATURE_BYTES, signatureOf } from '../../../formats/search/search-signature.ts'
import { textsOf } from '../content/message-structure.ts'
import { textFunctionOf } from './message-text.ts'

/** Increase it with each change of the texts below or of formats/imap/message-texts.ts: the index is then made again. */
const SOURCE_TEXT_VERSION = 2

/** Characters that are folded at once. */
const PIECE_CHARS = 128 * 1024
/** Characters of one signature. One of more would have nearly all bits. */
const SIGNED_CHARS = 8_000
/** Characters at the end of a signature that are in the next one as well: a query has no more. */
export const OVERLAP_CHARS = 256

export interface SourceLimits extends Pick<Limits, 'parsing'> {
  /** A message with more signatures gets one with all bits. */
  readonly signaturesMax: number
}

export function sourceLimitsOf({ parsing, search }: Limits): SourceLimits {
  // A block has room for the signatures of each message (index-blocks.ts).
  return { parsing, signaturesMax: Math.min(search.sourceSignaturesMax, BLOCK_TEXTS / 4) }
}

/** Whether a message of this size may have more signatures than the index: its HTML is signed as source and as it is shown. */
export function mayExceedSignatures(sizeBytes: number, { signaturesMax }: SourceLimits): boolean {
  return sizeBytes > (SIGNED_CHARS / 2) * signaturesMax
}

/** Names what makes the index: blocks that another function has made are not used. */
export function sourceFunctionOf(limits: Limits): string {
  const { mimeDepthMax, mimePartsMax, mimeHeaderBytesMax, mimeHeaderFieldsMax, htmlTextCharsMax } = limits.parsing
  const bounds = [mimeDepthMax, mimePartsMax, mimeHeaderBytesMax, mimeHeaderFieldsMax, htmlTextCharsMax].join('-')
  return `source:${SOURCE_TEXT_VERSION}:${textFunctionOf(limits)}:${bounds}`
}

/**
 * Returns a function that folds the pieces of a message, one after the other. Each result begins with the end of the one before, if that is of
 * the same part.
 *
 * @param overlapChars characters of the longest text that is looked for
 */
export function createPieceFolder(overlapChars = OVERLAP_CHARS): (piece: MessageTextPiece) => Generator<string> {
  let before = ''
  return function* fold({ text, isContinued }) {
    if (!isContinued) before = ''
    for (let at = 0; at < text.length; at += PIECE_CHARS) {
      const folded = foldText(before + text.slice(at, at + PIECE_CHARS))
      yield folded
      before = folded.slice(Math.max(0, folded.length - overlapChars))
    }
  }
}

/** Returns a signature with all bits: every search reads its message, unless signatures of the message are in memory. */
export function fullSignature(): Uint8Array {
  return new Uint8Array(SIGNATURE_BYTES).fill(0xff)
}

/** @returns the signatures of a message, one after the other; none of a message without texts */
export function signSource(raw: Buffer, limits: SourceLimits): Uint8Array {
  const signed = new SignedTexts()
  const fold = createPieceFolder()
  for (const piece of textsOf(raw, limits)) {
    for (const folded of fold(piece)) signed.add(folded)
    if (signed.count > limits.signaturesMax) return fullSignature()
  }
  return Buffer.concat(signed.end())
}

/** Collects the texts of a message, folded, in signatures. */
export class SignedTexts {
  readonly #signatures: Uint8Array[] = []
  #texts: string[] = []
  #chars = 0

  add(folded: string): void {
    for (let at = 0; at < folded.length; at += SIGNED_CHARS) {
      const text = folded.slice(at, at + SIGNED_CHARS + OVERLAP_CHARS)
      if (this.#chars + text.length > SIGNED_CHARS + OVERLAP_CHARS) this.#sign()
      this.#texts.push(text)
      this.#chars += text.length
    }
  }

  end(): readonly Uint8Array[] {
    if (this.#texts.length > 0) this.#sign()
    return this.#signatures
  }

  /** Signatures, with the one that is not complete. */
  get count(): number {
    return this.#signatures.length + Number(this.#texts.length > 0)
  }

  #sign(): void {
    this.#signatures.push(signatureOf(this.#texts))
    this.#texts = []
    this.#chars = 0
  }
}
