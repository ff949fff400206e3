/**
 * What a search compares of a content: the addresses of its header and the beginning of its body. It is stored when the
 * message is parsed, apart from the bodies: to decompress these, with HTML and header, took most of the time of a
 * comparison. A content never changes, and neither does its text.
 *
 *   format: 1 byte │ size of the text, length of the addresses: 4 bytes each │ addresses and body, encoded, compressed if long
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { collapseSpace, foldCase } from '../../../formats/search/search-signature.ts'
import type { KindAddress } from '../../../store/schema/message-rows.ts'
import { SMALL_DEFLATE } from '../content/compressed-bodies.ts'
import { decodeStored } from '../content/damaged-content.ts'

/** As it is shown: with its case, and white space collapsed. */
export interface ContentText {
  readonly addresses: string
  readonly body: string
}

/** A text as it is shown, and as it is compared (formats/search/search-signature.ts). */
export interface FoldedText {
  readonly shown: string
  readonly folded: string
}

export interface FoldedContent {
  readonly addresses: FoldedText
  readonly body: FoldedText
}

/** That of a content whose text cannot be read. */
export const WITHOUT_TEXT: FoldedContent = {
  addresses: { shown: '', folded: '' },
  body: { shown: '', folded: '' },
}

type SearchedAddress = Pick<KindAddress, 'name' | 'address'>

/**
 * By the two lowest bits of the first byte. A text of Latin letters is read as one byte per character, which compares and
 * folds several times as fast as two. UTF-16 keeps half of a surrogate pair, as the bodies do.
 */
const ENCODINGS = ['latin1', 'utf8', 'utf16le'] as const
/** Another bit of the first byte. */
const COMPRESSED = 4
const HEAD_BYTES = 9
/** To decompress a shorter text takes longer than all else of a comparison. */
const COMPRESSED_BYTES_MIN = 4 * 1024

/** @param charsMax characters of addresses and of the body that a search compares */
export function packContentText(
  given: { readonly addresses: readonly SearchedAddress[]; readonly body: string },
  charsMax: number,
): Uint8Array {
  const addresses = textOfAddresses(given.addresses, charsMax)
  const text = addresses + collapseSpace(given.body.slice(0, charsMax))
  const encoding = encodingOf(text)
  const bytes = Buffer.from(text, encoding)
  const isCompressed = bytes.length >= COMPRESSED_BYTES_MIN
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt8(ENCODINGS.indexOf(encoding) | (isCompressed ? COMPRESSED : 0))
  head.writeUInt32LE(bytes.length, 1)
  head.writeUInt32LE(addresses.length, 5)
  return Buffer.concat([head, isCompressed ? deflateRawSync(bytes, SMALL_DEFLATE) : bytes])
}

/** @param bytes null: a content that is not parsed, because no message shows it @throws DamagedContent */
export function unpackContentText(bytes: Uint8Array | null): ContentText {
  return bytes ? decodeStored(() => unpack(bytes)) : { addresses: '', body: '' }
}

function unpack(bytes: Uint8Array): ContentText {
  const packed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const format = packed.readUInt8()
  const rest = packed.subarray(HEAD_BYTES)
  // One output buffer, not larger than needed.
  const raw = format & COMPRESSED ? inflateRawSync(rest, { chunkSize: packed.readUInt32LE(1) + 1 }) : rest
  const text = raw.toString(ENCODINGS[format & 3])
  const addressChars = packed.readUInt32LE(5)
  return { addresses: text.slice(0, addressChars), body: text.slice(addressChars) }
}

function encodingOf(text: string): (typeof ENCODINGS)[number] {
  if (!/[^\0-\xff]/.test(text)) return 'latin1'
  return text.isWellFormed() ? 'utf8' : 'utf16le'
}

/** @param shown with its white space collapsed, so this is `foldText` */
export function fold(shown: string): FoldedText {
  return { shown, folded: foldCase(shown) }
}

export function textOfAddresses(addresses: readonly SearchedAddress[], charsMax: number): string {
  const text = addresses.map(({ name, address }) => `${name ?? ''} ${address}`).join('\n')
  return collapseSpace(text.slice(0, charsMax))
}
