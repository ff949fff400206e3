/**
 * The texts of a message that SEARCH compares (RFC 9051 §6.4.4, BODY and TEXT): its header fields, decoded, and all parts of type text, also
 * those of attached messages, without their transfer encoding and in Unicode. Of HTML, what it shows, and its source. Pure.
 */
import { linesInSlices, linesSourceCharsMax } from '../html/html-lines.ts'
import { charsetOfText, decodeCharset, decodeTextPiece, type TextCharset } from '../mime/charset.ts'
import { fieldText, type HeaderField } from '../mime/header-fields.ts'
import { type MimePart, type StructureLimits, scanInSlices } from '../mime/mime-structure.ts'
import { decodeBytes } from '../mime/transfer-encoding.ts'

export interface MessageTextPiece {
  /**
   * Whether the text is from the header of the message or of a part. TEXT searches headers. BODY does not, as in Dovecot: a person sees the
   * header of a part as little as that of the message.
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
const PIECE_BYTES = 64 * 1024
/** Bytes of a text that are decoded at once at most, if it cannot be divided at the ends of lines. */
const WHOLE_BYTES_MAX = 1024 * 1024
/** The most bytes per character of any charset. */
const CHAR_BYTES_MAX = 4
const LINE_FEED = 0x0a
const ASCII_END = 0x80

/** Lets other work run before the next piece. */
const PAUSE: MessageTextPiece = { isHeader: false, isContinued: true, text: '' }

/**
 * Yields the texts in pieces, some of which are empty. Most take a few milliseconds. The first piece of a part also decodes its transfer encoding,
 * and the structure is scanned before the first part, so the texts of large messages are read in a thread (mail/messages/content/mail-reader.ts).
 *
 * @param raw the whole message
 */
export function* messageTexts(raw: Buffer, limits: TextLimits): Generator<MessageTextPiece> {
  yield* textsIn(raw, limits, MESSAGE_DEPTH_MAX, false)
}

function* textsIn(
  raw: Buffer,
  limits: TextLimits,
  depthLeft: number,
  isAttached: boolean,
): Generator<MessageTextPiece> {
  const { root, charset } = yield* inTurns(scanInSlices(raw, limits))
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
        const charsMax = linesSourceCharsMax(limits.htmlCharsMax)
        const html = decodeCharset(decoded.subarray(0, charsMax * CHAR_BYTES_MAX), label).slice(0, charsMax)
        yield { isHeader: false, isContinued: false, text: yield* inTurns(linesInSlices(html, limits.htmlCharsMax)) }
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

function* inTurns<Result>(slices: Generator<void, Result>): Generator<MessageTextPiece, Result> {
  for (;;) {
    const { done, value } = slices.next()
    if (done) return value
    yield PAUSE
  }
}

function* piecesOf(bytes: Buffer, label: string): Generator<MessageTextPiece> {
  const charset = charsetOfText(bytes, label)
  for (let { start } = charset; start < bytes.length; ) {
    const isContinued = start > charset.start
    const end = charset.isWide ? endOfWidePiece(bytes, start, charset) : endOfPiece(bytes, start)
    yield { isHeader: false, isContinued, text: decodeTextPiece(bytes.subarray(start, end), charset, !isContinued) }
    start = end
  }
}

/** In UTF-16, a character of two units is in one piece. */
function endOfWidePiece(bytes: Buffer, start: number, { charset }: TextCharset): number {
  const end = start + WHOLE_BYTES_MAX
  if (end >= bytes.length) return bytes.length
  const highByte = charset === 'utf16be' ? bytes[end]! : charset === 'utf16le' ? bytes[end + 1]! : 0
  const isLowSurrogate = (highByte & 0xfc) === 0xdc
  return isLowSurrogate ? end - 2 : end
}

/**
 * In charsets with ASCII, which also those with several bytes per character are, a line feed is one byte, and no part of another character.
 * Those with escape sequences begin each line in ASCII (RFC 1468, RFC 1557, RFC 1843), and those of Unicode too.
 *
 * @returns the end of the last line that fits; of a part of one that is too long
 */
function endOfPiece(bytes: Buffer, start: number): number {
  const end = start + PIECE_BYTES
  if (end >= bytes.length) return bytes.length
  const lineEnd = bytes.subarray(start, end).lastIndexOf(LINE_FEED) + 1
  if (lineEnd > 0) return start + lineEnd
  const next = bytes.subarray(end, start + WHOLE_BYTES_MAX).indexOf(LINE_FEED) + 1
  if (next > 0) return end + next
  const last = Math.min(start + WHOLE_BYTES_MAX, bytes.length)
  if (last === bytes.length) return last
  // After a byte of ASCII: it is a character, or the last byte of one.
  for (let at = last; at > end; at--) if (bytes[at - 1]! < ASCII_END) return at
  return last
}
