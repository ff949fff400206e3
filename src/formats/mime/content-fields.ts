/**
 * Reads Content-Type and Content-Transfer-Encoding as they occur, not only as RFC 2045 §5.1 and §6.1 define them:
 * without semicolons, twice, with words before and behind, with a boundary that does not occur in the body. An
 * unreadable field would show the source of the message as its text.
 */
import { type ParameterisedValue, parseParameterised } from './header-parameters.ts'

/** RFC 6838 §4.2 allows 127 characters each for type and subtype. */
const CONTENT_TYPE_CHARS_MAX = 255
const ENCODING_CHARS_MAX = 64
/** How far into a body a declared boundary is searched, and an undeclared one. Preambles are short. */
const SEARCH_BYTES = 64 * 1024
const RECOVERY_BYTES = 4 * 1024
export interface ContentType {
  /** Lower-case `type/subtype`; undefined if there is none that can be read (RFC 2045 §5.2). */
  readonly type: string | undefined
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * @param values the values of the Content-Type fields of a part, unfolded
 * @param body   the bytes after the header, to the end of the message
 * @param isOpen whether an enclosing multipart has this boundary
 */
export function readContentType(
  values: readonly string[],
  body: Buffer,
  isOpen: (boundary: string) => boolean,
): ContentType {
  const readings = values.map(readOne)
  const usable = readings.filter(({ type }) => type !== undefined)
  const fitting = usable.length > 1 ? usable.find((each) => boundaryIn(each, body) !== undefined) : undefined
  const chosen = fitting ?? usable[0] ?? readings[0] ?? { type: undefined, parameters: new Map() }
  return chosen.type?.startsWith('multipart/') ? withBoundary(chosen, body, isOpen) : chosen
}

function readOne(value: string): ContentType {
  const { value: type, parameters } = parseParameterised(value)
  if (type.length <= CONTENT_TYPE_CHARS_MAX && /^[^\s/]+\/[^\s/]+$/.test(type) && !/["',:=]/.test(type)) {
    return { type, parameters }
  }
  return recovered(value) ?? { type: undefined, parameters }
}

/** Whole words: the beginning of a longer one is no type. */
const TYPE = /(?<![\w!#$&^.+-])([\w!#$&^.+-]{1,127}) ?\/ ?([\w!#$&^.+-]{1,127})(?![\w!#$&^.+-])/

/** Takes the first `type/subtype`, and reads the rest as parameters, whatever separates them. */
function recovered(value: string): ContentType | undefined {
  const line = value.slice(0, 2_000).replace(/\s+/g, ' ')
  const found = TYPE.exec(line)
  if (!found) return undefined
  // Insert ";" before each `name=`, but not in quotes.
  const pieces = line.slice(found.index + found[0].length).split('"')
  const separated = pieces.map((piece, index) =>
    index % 2 === 0 ? piece.replace(/[ ,]{1,3}(?=[\w*-]{1,40} ?=)/g, ';') : piece,
  )
  const { parameters }: ParameterisedValue = parseParameterised(`x;${separated.join('"')}`)
  return { type: `${found[1]}/${found[2]}`.toLowerCase(), parameters }
}

/** Replaces a boundary that does not occur with one that does. */
function withBoundary(contentType: ContentType, body: Buffer, isOpen: (boundary: string) => boolean): ContentType {
  const boundary = boundaryIn(contentType, body) ?? boundaryOfBody(body, isOpen)
  if (boundary === undefined || boundary === contentType.parameters.get('boundary')) return contentType
  return { ...contentType, parameters: new Map([...contentType.parameters, ['boundary', boundary]]) }
}

/** Returns the declared boundary, or its first word, if it occurs: without quotes, other words may follow it. */
function boundaryIn({ type, parameters }: ContentType, body: Buffer): string | undefined {
  if (!type?.startsWith('multipart/')) return undefined
  const declared = parameters.get('boundary')?.trimEnd() ?? ''
  return [declared, declared.split(/[\s,;]/, 1)[0]!].find((boundary) => boundary !== '' && occurs(boundary, body))
}

function occurs(boundary: string, body: Buffer): boolean {
  const delimiter = Buffer.from(`--${boundary}`)
  if (body.subarray(0, delimiter.length).equals(delimiter)) return true
  return body.subarray(0, SEARCH_BYTES).includes(`\n--${boundary}`)
}

/** Finds a line of at most 70 characters (RFC 2046 §5.1.1) that looks like a delimiter because a header follows it. */
function boundaryOfBody(body: Buffer, isOpen: (boundary: string) => boolean): string | undefined {
  const start = body.toString('latin1', 0, RECOVERY_BYTES)
  const found = /(?:^|\n)--([^\r\n]{1,70}?)[ \t]*\r?\ncontent-[a-z-]{1,40}:/i.exec(start)?.[1]
  return found === undefined || isOpen(found) ? undefined : Buffer.from(found, 'latin1').toString()
}

const ENCODINGS: ReadonlyMap<string, string> = new Map([
  ...['7bit', '8bit', 'binary', 'base64', 'quoted-printable'].map((name) => [name, name] as const),
  ...[
    ['base-64', 'base64'],
    ['b64', 'base64'],
    ['quotedprintable', 'quoted-printable'],
    ['qp', 'quoted-printable'],
    ['7-bit', '7bit'],
    ['8-bit', '8bit'],
    ['8bits', '8bit'],
  ].map(([written, name]) => [written!, name!] as const),
])

/**
 * Returns the first word of the field that is an encoding, else its first word, in lower case.
 *
 * @returns `7bit` without one (RFC 2045 §6.1)
 */
export function readTransferEncoding(value: string | undefined): string {
  const text = parseParameterised((value ?? '').slice(0, 1_000)).value
  const words = text.split(/[\s"',:=]+/).filter((word) => word !== '')
  for (const word of words) {
    const known = ENCODINGS.get(word.replace(/_/g, '-'))
    if (known !== undefined) return known
  }
  const [first] = words
  return first !== undefined && first.length <= ENCODING_CHARS_MAX ? first : '7bit'
}
