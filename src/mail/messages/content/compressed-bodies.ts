/**
 * The stored form of a message's header, texts and HTML: one JSON document, compressed.
 *
 * Its size is stored with it, so that callers know what it costs before they decompress it. The header of a large
 * message is first, in a segment that can be decompressed alone: an event that cannot contain the bodies does not load
 * them.
 */
import { promisify } from 'node:util'
import { constants, deflateRawSync, inflateRaw, inflateRawSync } from 'node:zlib'
import { jsonText } from '../../../formats/mime/json-text.ts'

/** What is stored of the text and header, beside the raw bytes. */
export interface Bodies {
  /** From text/plain parts only. */
  readonly text?: string
  readonly html?: string
  /** The text in the HTML of a message without text: lines and paragraphs, without the addresses of links. */
  readonly textFromHtml?: string
  /** New content without quotes and signature. */
  readonly extractedText?: string
  readonly extractedHtml?: string
  /** In order, decoded. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** The message exceeds a limit of the parser, so its bodies, header or attachments are incomplete. */
  readonly isTruncated?: true
}

export interface CompressedBodies {
  readonly bytes: Uint8Array
  /** Size of the JSON of the bodies. What is stored of it can be shorter (`BodiesJson`). */
  readonly sizeBytes: number
  /** Length of the segment with the header, at the start of `bytes`; 0: a small message, which has no such segment. */
  readonly headBytes: number
}

/**
 * The JSON of bodies. In most messages all text is new content: then `isAllNewText` and `isAllNewHtml` are written instead of
 * the same text again.
 */
export interface BodiesJson {
  /** The document; of a large message, the members before the texts. */
  readonly first: Buffer
  /** The other members of a large message. */
  readonly rest?: Buffer
  /** How much longer the JSON would be with the texts that are not written again. */
  readonly repeatedBytes: number
}

/** Level 1 compresses the text of mail to a third; higher levels cost more time than they save bytes. */
const LEVEL = { level: 1 }
/**
 * For a small document: half the window and half the memory, which zlib clears for each document, and an output buffer that
 * is not larger than needed, take a fifth less time. The result has the same size. A window of 8 KiB takes as long, and
 * makes the result an eighth larger.
 */
export const SMALL_DEFLATE = { ...LEVEL, windowBits: 14, memLevel: 7, chunkSize: 4096 }
/** Size of the JSON above which the header gets its own segment. A second segment costs a small message too much time. */
const ONE_SEGMENT_BYTES_MAX = 64 * 1024

export function compressBodies(bodies: Bodies): CompressedBodies {
  return compressJson(jsonOfBodies(bodies))
}

export function compressJson({ first, rest, repeatedBytes }: BodiesJson): CompressedBodies {
  if (rest === undefined)
    return { bytes: deflateRawSync(first, SMALL_DEFLATE), sizeBytes: first.length + repeatedBytes, headBytes: 0 }
  // The first segment has no final block, so the second one continues it, and both are one deflate stream.
  const head = deflateRawSync(first, { ...LEVEL, finishFlush: constants.Z_SYNC_FLUSH })
  const bytes = Buffer.concat([head, deflateRawSync(rest, LEVEL)])
  return { bytes, sizeBytes: first.length + rest.length + repeatedBytes, headBytes: head.length }
}

export function jsonOfBodies(bodies: Bodies): BodiesJson {
  const { headers, isTruncated, text, html, textFromHtml, extractedText, extractedHtml } = bodies
  const isAllNewText = extractedText !== undefined && extractedText === (text ?? textFromHtml)
  const isAllNewHtml = extractedHtml !== undefined && extractedHtml === html
  const head = Buffer.from(JSON.stringify({ headers, isTruncated }).slice(0, -1))
  const members: Buffer[] = []
  let repeatedBytes = 0

  add('text', text, isAllNewText && 'extractedText')
  add('html', html, isAllNewHtml && 'extractedHtml')
  add('textFromHtml', textFromHtml, isAllNewText && text === undefined && 'extractedText')
  if (!isAllNewText) add('extractedText', extractedText)
  if (!isAllNewHtml) add('extractedHtml', extractedHtml)
  const flags = `${isAllNewText ? ',"isAllNewText":true' : ''}${isAllNewHtml ? ',"isAllNewHtml":true' : ''}`
  members.push(Buffer.from(`${flags}}`))
  repeatedBytes -= flags.length

  return head.length + sizeOf(members) + repeatedBytes <= ONE_SEGMENT_BYTES_MAX
    ? { first: Buffer.concat([head, ...members]), repeatedBytes }
    : { first: head, rest: Buffer.concat(members), repeatedBytes }

  /** @param other a member with the same text, which is not written */
  function add(name: TextName, value: string | undefined, other: TextName | false = false): void {
    if (value === undefined) return
    const pieces = [Buffer.from(`,"${name}":"`), ...jsonText(value), Buffer.from('"')]
    members.push(...pieces)
    if (other !== false) repeatedBytes += sizeOf(pieces) + other.length - name.length
  }
}

function sizeOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((total, { length }) => total + length, 0)
}

/** Returns the bodies of a document of `jsonOfBodies`. */
function bodiesOf(json: string): Bodies {
  const document = JSON.parse(json) as Bodies & { readonly isAllNewText?: true; readonly isAllNewHtml?: true }
  const { headers, text, html, textFromHtml, isTruncated, isAllNewText, isAllNewHtml } = document
  const extractedText = isAllNewText ? (text ?? textFromHtml) : document.extractedText
  const extractedHtml = isAllNewHtml ? html : document.extractedHtml
  // Member by member: V8 gives objects that are made of spreads new hidden classes again and again.
  const bodies: { -readonly [Name in keyof Bodies]: Bodies[Name] } = { headers }
  if (text !== undefined) bodies.text = text
  if (html !== undefined) bodies.html = html
  if (textFromHtml !== undefined) bodies.textFromHtml = textFromHtml
  if (extractedText !== undefined) bodies.extractedText = extractedText
  if (extractedHtml !== undefined) bodies.extractedHtml = extractedHtml
  if (isTruncated) bodies.isTruncated = isTruncated
  return bodies
}

/** The texts of bodies, each as JSON in UTF-8. */
export type EncodedTexts = { readonly [Name in TextName]?: Buffer | undefined }
type TextName = Exclude<keyof Bodies, 'headers' | 'isTruncated'>

const NEXT_MEMBER = '","'

/** Bodies whose texts are not decoded. */
export interface EncodedBodies extends Pick<Bodies, 'headers' | 'isTruncated'> {
  readonly texts: EncodedTexts
}

/**
 * Returns the bodies of a document of `jsonOfBodies`, without decoding their texts. Between two members is `","`. A text can end with
 * these bytes too, but its own quotes are escaped.
 *
 * @throws Error when the document is not one of `jsonOfBodies`
 */
function encodedBodiesOf(json: Buffer): EncodedBodies {
  const { fields, end } = readFields(json)
  const texts: { -readonly [Name in TextName]?: Buffer | undefined } = {}
  let at = end
  while (json[at] === COMMA) {
    const nameEnd = json.indexOf(QUOTE, at + 2)
    if (nameEnd < 0) throw new Error('the stored texts of a message are damaged')
    const name = json.toString('latin1', at + 2, nameEnd)
    const start = nameEnd + 2
    if (name === 'isAllNewText') texts.extractedText = texts.text ?? texts.textFromHtml
    if (name === 'isAllNewHtml') texts.extractedHtml = texts.html
    if (json[start] === QUOTE) {
      let next = json.indexOf(NEXT_MEMBER, start + 1, 'latin1')
      while (next >= 0 && isEscaped(json, next)) next = json.indexOf(NEXT_MEMBER, next + 1, 'latin1')
      at = next < 0 ? json.length - 1 : next + 1
      texts[name as TextName] = json.subarray(start, at)
    } else at = start + 'true'.length
  }
  return { ...fields, texts }
}

/** @param sizeBytes of the JSON: the output buffer is then not larger than needed */
export function decompressBodies(bytes: Uint8Array, sizeBytes?: number): Bodies {
  return bodiesOf(inflateRawSync(bytes, inflateOptions(sizeBytes)).toString())
}

/**
 * Decompresses a small message and returns only its text, else the text of its HTML; "" if it has neither. It parses nothing
 * else of the document: searches read many texts, and HTML and header are most of it.
 */
export function decompressText(bytes: Uint8Array, sizeBytes: number): string {
  const json = inflateRawSync(bytes, inflateOptions(sizeBytes))
  return memberOf(json, 'text') ?? memberOf(json, 'textFromHtml') ?? ''
}

/**
 * Returns a text of the document. Inside of a string its name would have escaped quotes, and header fields are lists, which
 * have no colons: so it can be found by its bytes.
 */
function memberOf(json: Buffer, name: 'text' | 'textFromHtml'): string | undefined {
  const key = `,"${name}":"`
  const found = json.indexOf(key, 0, 'latin1')
  if (found < 0) return undefined
  const start = found + key.length - 1
  let end = json.indexOf(QUOTE, start + 1)
  while (isEscaped(json, end)) end = json.indexOf(QUOTE, end + 1)
  return JSON.parse(json.toString('utf8', start, end + 1)) as string
}

/** Returns the header of a small message. It parses nothing else of the document. */
export function decompressFields(bytes: Uint8Array, sizeBytes: number): Pick<Bodies, 'headers' | 'isTruncated'> {
  return readFields(inflateRawSync(bytes, inflateOptions(sizeBytes))).fields
}

/** Reads what is before the texts of a document. @returns also the index of the byte after it */
function readFields(json: Buffer): { fields: Pick<Bodies, 'headers' | 'isTruncated'>; end: number } {
  let rest = NO_FIELDS.length
  if (json.toString('latin1', 0, rest) !== NO_FIELDS) {
    // Inside of a string the quote would be escaped.
    let last = json.indexOf(LAST_FIELD, 0, 'latin1')
    while (isEscaped(json, last)) last = json.indexOf(LAST_FIELD, last + 1, 'latin1')
    rest = last + LAST_FIELD.length
  }
  const { headers } = JSON.parse(`${json.toString('utf8', 0, rest)}}`) as Bodies
  const isTruncated = json.toString('latin1', rest, rest + TRUNCATED.length) === TRUNCATED
  if (!isTruncated) return { fields: { headers }, end: rest }
  return { fields: { headers, isTruncated }, end: rest + TRUNCATED.length }
}

const NO_FIELDS = '{"headers":[]'
const LAST_FIELD = '"]]'
const TRUNCATED = ',"isTruncated":true'

const COMMA = ','.charCodeAt(0)
const QUOTE = '"'.charCodeAt(0)
const BACKSLASH = '\\'.charCodeAt(0)

/** Whether an odd number of backslashes is before this byte. */
function isEscaped(json: Buffer, at: number): boolean {
  let first = at
  while (json[first - 1] === BACKSLASH) first -= 1
  return (at - first) % 2 === 1
}

/** One output buffer: zlib would otherwise allocate 16 KiB at a time, or one more if it is full. */
function inflateOptions(sizeBytes: number | undefined) {
  return sizeBytes === undefined ? {} : { chunkSize: Math.max(sizeBytes + 1, CHUNK_BYTES_MIN) }
}

/** The least that zlib accepts. */
const CHUNK_BYTES_MIN = 64

/** How the bodies of messages are shown. */
export interface BodyForm<Form> {
  decompress(bytes: Uint8Array, sizeBytes: number): Form
  /**
   * Decompresses a large message without blocking the event loop for long.
   *
   * @param nextTurn resolves when the next step may run
   */
  decompressInSteps(
    compressed: Pick<CompressedBodies, 'bytes' | 'sizeBytes'>,
    nextTurn: () => Promise<void>,
  ): Promise<Form>
  /** Returns the texts in which codes and links are searched. */
  searchedTexts(bodies: Form): { readonly text?: string | undefined; readonly html?: string | undefined }
}

export const DECODED: BodyForm<Bodies> = {
  decompress: decompressBodies,

  async decompressInSteps(compressed, nextTurn) {
    const json = await inflateAside(compressed)
    await nextTurn()
    const text = json.toString()
    await nextTurn()
    const bodies = bodiesOf(text)
    await nextTurn()
    return bodies
  },

  searchedTexts: (bodies) => bodies,
}

/** For a response in JSON, which would encode each text again as it is stored. */
export const ENCODED: BodyForm<EncodedBodies> = {
  decompress: (bytes, sizeBytes) => encodedBodiesOf(inflateRawSync(bytes, inflateOptions(sizeBytes))),

  async decompressInSteps(compressed, nextTurn) {
    const json = await inflateAside(compressed)
    await nextTurn()
    const bodies = encodedBodiesOf(json)
    await nextTurn()
    return bodies
  },

  searchedTexts({ texts }) {
    const decode = (json: Buffer | undefined) => json && (JSON.parse(json.toString()) as string)
    return { text: decode(texts.text), html: decode(texts.html) }
  },
}

/** One output buffer: zlib would otherwise call back for each 16 KiB, and allocate a second buffer if this one is full. */
function inflateAside({ bytes, sizeBytes }: Pick<CompressedBodies, 'bytes' | 'sizeBytes'>): Promise<Buffer> {
  return promisify(inflateRaw)(bytes, inflateOptions(sizeBytes))
}

/**
 * Decompresses the header of a large message.
 *
 * @param segment the first `headBytes` bytes
 * @returns the document without texts, and the size of this part of the JSON
 */
export function decompressHead(segment: Uint8Array): { bodies: Bodies; sizeBytes: number } {
  const json = inflateRawSync(segment, { finishFlush: constants.Z_SYNC_FLUSH })
  return { bodies: JSON.parse(`${json}}`) as Bodies, sizeBytes: json.length }
}
