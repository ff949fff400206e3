/**
 * Finds the parts of a message as byte offsets into its raw bytes (RFC 2045, RFC 2046 §5).
 *
 * Attachment rows store these offsets, and downloads decode from there; IMAP's BODYSTRUCTURE and partial FETCH
 * use the same tree (formats/imap/). This is why we have our own scanner: the parsers on npm return decoded parts and no offsets.
 *
 * One pass: it goes from "\n--" to "\n--" and looks up each such line among the open boundaries. The time is linear in
 * the size of the message, whatever it contains, and nothing throws. At a limit, the tree stops growing and is marked
 * truncated.
 */
import {
  BOUNDARY_SEARCH_BYTES,
  type BoundarySearch,
  readContentType,
  readDisposition,
  readTransferEncoding,
} from './content-fields.ts'
import {
  fieldValue,
  findField,
  findFields,
  type HeaderBlock,
  type HeaderField,
  readHeaderBlock,
} from './header-fields.ts'

export interface StructureLimits {
  /** Multiparts nested in each other. Functions that read the tree recurse this deep. */
  depthMax: number
  /** Parts of the whole message, multiparts included. */
  partsMax: number
  /** Header bytes per part. */
  headerBytesMax: number
  /** Header fields of all parts together. In memory, a short field takes thirty times its size in the message. */
  headerFieldsMax: number
}

/** One node of the tree. Offsets are relative to the start of the raw message; ends are exclusive. */
export interface MimePart {
  headerStart: number
  /** After the last header field, before the blank line. */
  headerEnd: number
  bodyStart: number
  /** Before the line break that belongs to the delimiter (RFC 2046 §5.1.1). */
  bodyEnd: number
  fields: HeaderField[]
  /** Lower-case `type/subtype`. Without Content-Type, `text/plain` (RFC 2045 §5.2). */
  contentType: string
  /** The parameters of Content-Type, by lower-case names. */
  parameters: ReadonlyMap<string, string>
  /** In lower case, otherwise as written: usually `inline` or `attachment`. */
  disposition?: string | undefined
  /**
   * File name from Content-Disposition or Content-Type, without folders. A suggestion by the sender, not a path to use.
   */
  filename?: string | undefined
  /** Content-Transfer-Encoding in lower case. Without it, `7bit` (RFC 2045 §6.1). */
  encoding: string
  /** Content-ID without its angle brackets. */
  contentId?: string | undefined
  /** The parts of a multipart, in order. Empty for a leaf; message/rfc822 is a leaf. */
  children: MimePart[]
}

export interface MimeStructure {
  root: MimePart
  /** The label of the first part that has one: of the root or, in most messages, of the text. Otherwise empty. */
  charset: string
  /** A limit was reached: the tree contains only what came before it. */
  truncated: boolean
}

/** A multipart whose end has not been reached. */
interface OpenMultipart {
  boundary: string
  /** Index in `openParts`. */
  level: number
  /** The outer multipart with the same boundary. No valid message has one. */
  shadows: OpenMultipart | undefined
  /** Content type of parts without Content-Type. */
  defaultType: string
}

interface Delimiter {
  multipart: OpenMultipart
  isClosing: boolean
  lineStart: number
  lineEnd: number
}

const LF = 0x0a
const CR = 0x0d
const DELIMITER_START = Buffer.from('\n--')

/** RFC 2046 §5.1.1 allows 70 characters. A longer line than this is not a delimiter. */
const BOUNDARY_CHARS_MAX = 998

/**
 * These values are stored in rows and events and returned in lists. Without a limit, those of a thousand parts could be
 * as large as the message. A Content-ID is on one line (RFC 5322 §2.1.1).
 */
const CONTENT_ID_CHARS_MAX = 998

/** Parts after which other work may run. Each costs some 10 µs. */
const SLICE_PARTS = 50

/** Scans a whole message. Empty input gives an empty text/plain part. */
export function scanStructure(raw: Buffer, limits: StructureLimits): MimeStructure {
  const slices = scanInSlices(raw, limits)
  for (;;) {
    const { done, value } = slices.next()
    if (done) return value
  }
}

/** As scanStructure, and yields after some parts, for callers that let other work run. */
export function* scanInSlices(raw: Buffer, limits: StructureLimits): Generator<void, MimeStructure> {
  const openBoundaries = new Map<string, OpenMultipart>()
  const multiparts: OpenMultipart[] = []
  const openParts: MimePart[] = [] // from the root to the current part: their ends are not known yet
  let truncated = false
  let partCount = 0
  const search = { isOpen: (boundary: string) => openBoundaries.has(boundary), bytesLeft: BOUNDARY_SEARCH_BYTES }
  let fieldsLeft = limits.headerFieldsMax
  let charset = ''

  let part = readPart(0, 'text/plain')
  const root = part
  for (;;) {
    openMultipart(part)
    const delimiter = nextPartDelimiter(part.bodyStart)
    if (delimiter === undefined) break
    if (partCount >= limits.partsMax) {
      truncated = true
      break
    }
    part = readPart(delimiter.lineEnd, delimiter.multipart.defaultType)
    openParts.at(-2)!.children.push(part)
    if (partCount % SLICE_PARTS === 0) yield
  }
  return { root, charset, truncated }

  function readPart(start: number, defaultType: string): MimePart {
    const isDelimiter = (lineStart: number, lineEnd: number) => matchDelimiter(lineStart, lineEnd) !== undefined
    const header = readHeaderBlock(raw, start, limits.headerBytesMax, isDelimiter, fieldsLeft)
    truncated ||= header.truncated
    fieldsLeft -= header.fields.length
    partCount++
    const newPart = partOf(raw, start, header, { defaultType, search, charset })
    charset ||= newPart.parameters.get('charset') ?? ''
    openParts.push(newPart)
    return newPart
  }

  function openMultipart(newPart: MimePart): void {
    const boundary = boundaryOf(newPart)
    if (boundary === undefined) return
    if (multiparts.length >= limits.depthMax) {
      truncated = true
      return
    }
    // RFC 2046 §5.1.5: the default type of the parts of a digest
    const defaultType = newPart.contentType === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
    const opened = { boundary, level: openParts.length - 1, shadows: openBoundaries.get(boundary), defaultType }
    openBoundaries.set(boundary, opened)
    multiparts.push(opened)
  }

  /** Finds the next delimiter that begins a part, and ends the parts and multiparts before it. */
  function nextPartDelimiter(from: number): Delimiter | undefined {
    let pos = from
    while (multiparts.length > 0) {
      const delimiter = findDelimiter(pos)
      if (delimiter === undefined) return undefined
      const { multipart, isClosing, lineStart, lineEnd } = delimiter
      endParts(multipart.level + 1, lineStart)
      closeMultiparts(isClosing ? multipart.level : multipart.level + 1)
      if (!isClosing) return delimiter
      pos = lineEnd // the epilogue follows, up to a delimiter of an outer multipart
    }
    return undefined
  }

  function findDelimiter(from: number): Delimiter | undefined {
    // One byte earlier: the LF before the first line of a body is that of the blank line.
    let pos = raw.indexOf(DELIMITER_START, Math.max(0, from - 1))
    while (pos >= 0) {
      const lineFeed = raw.indexOf(LF, pos + 1)
      const lineEnd = lineFeed < 0 ? raw.length : lineFeed + 1
      const delimiter = matchDelimiter(pos + 1, lineEnd)
      if (delimiter !== undefined) return delimiter
      pos = lineFeed < 0 ? -1 : raw.indexOf(DELIMITER_START, lineFeed)
    }
    return undefined
  }

  function matchDelimiter(lineStart: number, lineEnd: number): Delimiter | undefined {
    let end = lineEnd
    while (end > lineStart && raw[end - 1]! <= 0x20) end-- // RFC 2046 §5.1.1: transport padding, and the line break
    if (end - lineStart - 4 > BOUNDARY_CHARS_MAX) return undefined

    const text = raw.toString('latin1', lineStart + 2, end)
    const opening = openBoundaries.get(text)
    if (opening !== undefined) return { multipart: opening, isClosing: false, lineStart, lineEnd }
    const closing = text.endsWith('--') ? openBoundaries.get(text.slice(0, -2)) : undefined
    return closing && { multipart: closing, isClosing: true, lineStart, lineEnd }
  }

  function endParts(fromLevel: number, delimiterStart: number): void {
    const end = withoutLineBreak(raw, delimiterStart)
    for (const ended of openParts.splice(fromLevel)) ended.bodyEnd = Math.max(end, ended.bodyStart)
  }

  function closeMultiparts(fromLevel: number): void {
    while (multiparts.length > 0 && multiparts.at(-1)!.level >= fromLevel) {
      const { boundary, shadows } = multiparts.pop()!
      if (shadows === undefined) openBoundaries.delete(boundary)
      else openBoundaries.set(boundary, shadows)
    }
  }
}

/** Returns the boundary as it occurs in the bytes of the body; undefined if the part is not a multipart or has none. */
function boundaryOf(part: MimePart): string | undefined {
  if (!part.contentType.startsWith('multipart/')) return undefined
  const boundary = part.parameters.get('boundary')?.trimEnd() ?? ''
  return boundary === '' ? undefined : Buffer.from(boundary).toString('latin1')
}

function withoutLineBreak(raw: Buffer, end: number): number {
  if (raw[end - 1] !== LF) return end
  return raw[end - 2] === CR ? end - 2 : end - 1
}

/** What the parts before it say about a part. */
interface Surroundings {
  readonly defaultType: string
  readonly search: BoundarySearch
  /** Label of the parts before, for a file name that is not encoded. */
  readonly charset: string
}

/** Content-Type and Content-Transfer-Encoding fields of one part that are considered. RFC 5322 §3.6 allows one. */
const REPEATED_FIELDS_MAX = 4

/** Reads what the header says about a part. All parts have the same members: V8 is slow with objects that differ. */
function partOf(
  raw: Buffer,
  headerStart: number,
  { fields, end: headerEnd, bodyStart }: HeaderBlock,
  { defaultType, search, charset }: Surroundings,
): MimePart {
  const values = (lowerName: string) =>
    findFields(fields, lowerName)
      .slice(0, REPEATED_FIELDS_MAX)
      .map((each) => fieldValue(raw, each, charset))
  const first = (lowerName: string) => {
    const field = findField(fields, lowerName)
    return field && fieldValue(raw, field, charset)
  }
  const { type, parameters } = readContentType(values('content-type'), raw.subarray(bodyStart), search)
  const disposition = readDisposition(first('content-disposition') ?? '')
  const contentId = first('content-id')?.replace(/^<|>$/g, '').trim()
  return {
    headerStart,
    headerEnd,
    bodyStart,
    bodyEnd: raw.length,
    fields,
    contentType: type ?? defaultType, // RFC 2045 §5.2
    parameters,
    disposition: disposition.value || undefined,
    filename: filenameOf(disposition.parameters.get('filename') || parameters.get('name')) || undefined,
    encoding: readTransferEncoding(values('content-transfer-encoding')),
    contentId: contentId && contentId.length <= CONTENT_ID_CHARS_MAX ? contentId : undefined,
    children: [],
  }
}

/**
 * RFC 2183 §2.3: a receiver must ignore folders in the name. The length limit is that of most file systems. Characters
 * that change the direction of text are removed: with one, "exe.txt" can be the end of a program's name.
 */
function filenameOf(name: string | undefined): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it removes control characters
  const clean = name?.replace(/[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]/g, '')
  return clean
    ?.slice(Math.max(clean.lastIndexOf('/'), clean.lastIndexOf('\\')) + 1)
    .slice(-255)
    .trim()
}
