/**
 * Reads Content-Type and Content-Transfer-Encoding as they occur, not only as RFC 2045 §5.1 and §6.1 define them:
 * without semicolons, twice, with words before and after it, with a boundary that does not occur in the body. An
 * unreadable field would show the source of the message as its text.
 */
import { type ParameterisedValue, parseParameterised } from './header-parameters.ts'

/** RFC 6838 §4.2 allows 127 characters each for type and subtype. */
const CONTENT_TYPE_CHARS_MAX = 255
const ENCODING_CHARS_MAX = 64
/** Bytes of a body in which a declared boundary is searched. Preambles are short. */
const SEARCH_BYTES = 64 * 1024
/** The same for a boundary that no field declares. */
const RECOVERY_BYTES = 4 * 1024

export interface ContentType {
  /** Lower-case `type/subtype`; undefined if there is none that can be read (RFC 2045 §5.2). */
  readonly type: string | undefined
  readonly parameters: ReadonlyMap<string, string>
}

/** The surroundings of a part, for a boundary in doubt. */
export interface BoundarySearch {
  /** Whether an enclosing multipart has this boundary, in latin1. */
  readonly isOpen: (boundary: string) => boolean
  /** Bytes that may still be searched in this message. Its parts could have a thousand boundaries that do not occur. */
  bytesLeft: number
  /** Whether a whole body was searched: once in a message, before an undeclared boundary is used. */
  isWholeSearched?: boolean
}

/** The initial `bytesLeft` of a message. */
export const BOUNDARY_SEARCH_BYTES = 512 * 1024

/**
 * @param values the values of the Content-Type fields of a part, unfolded
 * @param body   the bytes after the header, to the end of the message
 */
export function readContentType(values: readonly string[], body: Buffer, search: BoundarySearch): ContentType {
  const readings = values.map(readOne)
  const usable = readings.filter(({ type }) => type !== undefined)
  for (const each of usable) {
    const boundary = boundaryIn(each, body, search)
    if (boundary !== undefined) return withBoundary(each, boundary)
  }
  const chosen = usable[0] ?? readings[0] ?? { type: undefined, parameters: new Map() }
  const found = chosen.type?.startsWith('multipart/') ? boundaryOfBody(body, search) : undefined
  if (found === undefined || occursFarDown(chosen, body, search)) return chosen
  return withBoundary(chosen, found)
}

function readOne(value: string): ContentType {
  const { value: type, parameters } = parseParameterised(value)
  if (type.length <= CONTENT_TYPE_CHARS_MAX && /^[^\s/]+\/[^\s/]+$/.test(type) && !/["',:=]/.test(type)) {
    return { type, parameters }
  }
  // RFC 2046 §5.1.3: a multipart of an unknown kind is read as multipart/mixed.
  if (type === 'multipart') return { type: 'multipart/mixed', parameters }
  return recovered(value) ?? { type: undefined, parameters }
}

/** Whole words: the beginning of a longer one is no type. */
const TYPE = /(?<![\w!#$&^.+-])([\w!#$&^.+-]{1,127}) ?\/ ?([\w!#$&^.+-]{1,127})(?![\w!#$&^.+-])/

/** Takes the first `type/subtype`, and reads the rest as parameters, whatever separates them. */
function recovered(value: string): ContentType | undefined {
  const line = value.slice(0, 2_000).replace(/\s+/g, ' ')
  const found = TYPE.exec(line)
  if (!found) return undefined
  const { parameters } = parseParameterised(`x;${separated(line.slice(found.index + found[0].length))}`)
  return { type: `${found[1]}/${found[2]}`.toLowerCase(), parameters }
}

/** Inserts ";" before each `name=`, but not in quotes. */
function separated(line: string): string {
  const pieces = line.split('"')
  return pieces
    .map((piece, index) => (index % 2 === 0 ? piece.replace(/[ ,]{1,3}(?=[\w*-]{1,40} ?=)/g, ';') : piece))
    .join('"')
}

/**
 * Reads Content-Disposition. Without a semicolon, or with a colon for "=", the file name would be part of the
 * disposition, and lost.
 */
export function readDisposition(value: string): ParameterisedValue {
  const read = parseParameterised(value)
  if (read.value === '' || /^[\w-]+$/.test(read.value)) {
    if (read.parameters.has('filename') || !/filename ?:/i.test(value)) return read
  }
  const line = value.slice(0, 2_000).replace(/\s+/g, ' ')
  const repaired = parseParameterised(separated(` ${line.replace(/(filename[*\d]{0,5}) ?:/gi, '$1=')}`))
  return /^[\w-]*$/.test(repaired.value) ? repaired : { ...repaired, value: '' }
}

function withBoundary(contentType: ContentType, boundary: string): ContentType {
  if (boundary === contentType.parameters.get('boundary')) return contentType
  return { ...contentType, parameters: new Map([...contentType.parameters, ['boundary', boundary]]) }
}

/** Returns the declared boundary, or its first word, if it occurs: without quotes, other words may follow it. */
function boundaryIn({ type, parameters }: ContentType, body: Buffer, search: BoundarySearch): string | undefined {
  if (!type?.startsWith('multipart/')) return undefined
  const declared = parameters.get('boundary')?.trimEnd() ?? ''
  const candidates = new Set([declared, declared.split(/[\s,;]/, 1)[0]!])
  return [...candidates].find((boundary) => boundary !== '' && occurs(boundary, body, search))
}

/**
 * Whether the declared boundary occurs below a preamble that is longer than the search. Then other lines that look like
 * delimiters are in the preamble, which mail programs do not show.
 */
function occursFarDown({ parameters }: ContentType, body: Buffer, search: BoundarySearch): boolean {
  const boundary = parameters.get('boundary')?.trimEnd() ?? ''
  if (boundary === '') return false
  if (search.isWholeSearched) return true
  search.isWholeSearched = true
  return body.includes(`\n--${boundary}`)
}

/** In a message whose parts have used up the search, every boundary counts as right. */
function occurs(boundary: string, body: Buffer, search: BoundarySearch): boolean {
  const delimiter = Buffer.from(`\n--${boundary}`)
  if (search.bytesLeft <= 0 || body.subarray(0, delimiter.length - 1).equals(delimiter.subarray(1))) return true
  const searched = body.subarray(0, SEARCH_BYTES)
  const at = searched.indexOf(delimiter)
  search.bytesLeft -= at < 0 ? searched.length : at
  return at >= 0
}

/** Finds a line of at most 70 characters (RFC 2046 §5.1.1) that looks like a delimiter because a header follows it. */
function boundaryOfBody(body: Buffer, search: BoundarySearch): string | undefined {
  if (search.bytesLeft <= 0) return undefined
  const start = body.toString('latin1', 0, RECOVERY_BYTES)
  search.bytesLeft -= start.length
  const found = DELIMITER_AND_FIELD.exec(start)?.[1]
  return found === undefined || search.isOpen(found) ? undefined : Buffer.from(found, 'latin1').toString()
}

const DELIMITER_AND_FIELD =
  /(?:^|\n)--([^\r\n]{1,70}?)[ \t]{0,20}\r?\ncontent-(?:type|disposition|transfer-encoding|id)[ \t]*:/i

/** By spellings in lower case, without "x-", white space and punctuation. */
const ENCODINGS: ReadonlyMap<string, string> = new Map([
  ['base64', 'base64'],
  ['b64', 'base64'],
  ['quotedprintable', 'quoted-printable'],
  ['qp', 'quoted-printable'],
  ['7bit', '7bit'],
  ['8bit', '8bit'],
  ['8bits', '8bit'],
  ['binary', 'binary'],
])
/** As they are written in most mail. */
const USUAL_ENCODINGS: ReadonlySet<string> = new Set(['7bit', '8bit', 'base64', 'quoted-printable'])
const IDENTITIES: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary'])

/**
 * Returns the first encoding in the fields, else their first word, in lower case. base64 and quoted-printable have
 * precedence: gateways write "8bit" before them.
 *
 * @param values the values of the fields of a part, unfolded
 * @returns `7bit` without one (RFC 2045 §6.1)
 */
export function readTransferEncoding(values: readonly string[]): string {
  const [only = '7bit'] = values
  if (values.length <= 1 && USUAL_ENCODINGS.has(only)) return only
  const text = values.map((value) => parseParameterised(value.slice(0, 1_000)).value).join(' ')
  const words = text.split(/[^a-z0-9]+/).filter((word) => word !== '' && word !== 'x')
  const pairs = words.map((word, index) => word + (words[index + 1] ?? '')) // "base 64", "quoted-printable"
  const known = words.flatMap((word, index) => ENCODINGS.get(word) ?? ENCODINGS.get(pairs[index]!) ?? [])
  const first = text.split(/[\s"',:=]+/).find((word) => word !== '')
  const unknown = first !== undefined && first.length <= ENCODING_CHARS_MAX ? first : '7bit'
  return known.find((encoding) => !IDENTITIES.has(encoding)) ?? known[0] ?? unknown
}
