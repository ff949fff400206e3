/**
 * The texts of a message that SEARCH compares (RFC 9051 §6.4.4, BODY and TEXT): its header fields, decoded, and all parts of type text, also
 * those of attached messages, without their transfer encoding and in Unicode. Of HTML, what it shows, and its source. Pure.
 */
import { linesOfHtml, linesSourceCharsMax } from '../html/html-lines.ts'
import { decodeCharset } from '../mime/charset.ts'
import { fieldText, type HeaderField } from '../mime/header-fields.ts'
import { type MimePart, type StructureLimits, scanStructure } from '../mime/mime-structure.ts'
import { decodeBytes } from '../mime/transfer-encoding.ts'

export interface MessageTextPiece {
  /**
   * Of the header of the message, or of its parts: TEXT searches there. BODY does not, as in Dovecot: for a person, the header of a part is no
   * more in the text than that of the message.
   */
  readonly isHeader: boolean
  /** Pieces of one part follow one another: a word can begin in one and end in the next. */
  readonly isContinued: boolean
  readonly text: string
}

export interface TextLimits extends StructureLimits {
  /** Characters of the text that one HTML shows. */
  readonly htmlCharsMax: number
}

/** Messages in messages. Deeper ones are searched as the text that they are. */
const MESSAGE_DEPTH_MAX = 5
/** Bytes that are decoded at once. */
const PIECE_BYTES = 256 * 1024
const LINE_FEED = 0x0a

/** @param raw the whole message. Each piece costs time for itself, and the first one that for the structure of the message */
export function* messageTexts(raw: Buffer, limits: TextLimits): Generator<MessageTextPiece> {
  yield* textsIn(raw, limits, MESSAGE_DEPTH_MAX, false)
}

function* textsIn(
  raw: Buffer,
  limits: TextLimits,
  depthLeft: number,
  isAttached: boolean,
): Generator<MessageTextPiece> {
  const { root, charset } = scanStructure(raw, limits)
  yield* textsOf(root)

  function* textsOf(part: MimePart): Generator<MessageTextPiece> {
    // The header of an attached message is in the body of the message that contains it.
    for (const field of part.fields) yield { isHeader: !isAttached, isContinued: false, text: shownField(field) }
    for (const child of part.children) yield* textsOf(child)
    if (part.children.length > 0) return
    const bytes = raw.subarray(part.bodyStart, part.bodyEnd)
    const isMessage = part.contentType === 'message/rfc822' || part.contentType === 'message/global'
    if (isMessage && depthLeft > 0) yield* textsIn(decodeBytes(bytes, part.encoding), limits, depthLeft - 1, true)
    else if (isText(part)) {
      const decoded = decodeBytes(bytes, part.encoding)
      const label = part.parameters.get('charset') ?? charset
      if (part.contentType === 'text/html') {
        // A part of it is shown: styles of the rest would be read for nothing.
        const html = decodeCharset(decoded, label).slice(0, linesSourceCharsMax(limits.htmlCharsMax))
        const text = linesOfHtml(html, limits.htmlCharsMax)
        yield { isHeader: false, isContinued: false, text }
      }
      yield* piecesOf(decoded, label)
    }
  }

  function shownField(field: HeaderField): string {
    return `${field.name}: ${fieldText(raw, field, charset)}`
  }
}

function isText({ contentType }: MimePart): boolean {
  return /^(?:text|message|multipart)\//.test(contentType)
}

/** Divides at line ends where a line end is one byte in every charset of its kind; the rest is decoded as a whole. */
function* piecesOf(bytes: Buffer, charset: string): Generator<MessageTextPiece> {
  const isDivisible = /^(?:|us-ascii|utf-?8|iso-8859-\d+|windows-125\d)$/i.test(charset)
  for (let start = 0; start < bytes.length; ) {
    let end = Math.min(bytes.length, isDivisible ? start + PIECE_BYTES : bytes.length)
    if (end < bytes.length) end = bytes.lastIndexOf(LINE_FEED, end - 1) + 1
    if (end <= start) end = bytes.length // one line without an end
    yield { isHeader: false, isContinued: start > 0, text: decodeCharset(bytes.subarray(start, end), charset) }
    start = end
  }
}
