/**
 * The stored form of a message's header, texts and HTML: one JSON document, compressed.
 *
 * Its size is stored with it, so that callers know what it costs before they decompress it. The header of a large
 * message is first, in a segment that can be decompressed alone: an event that cannot contain the bodies does not load
 * them.
 */
import { promisify } from 'node:util'
import { constants, deflateRawSync, inflateRaw, inflateRawSync } from 'node:zlib'

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
  /** Size of the JSON. */
  readonly sizeBytes: number
  /** Length of the segment with the header, at the start of `bytes`; 0: a small message, which has no such segment. */
  readonly headBytes: number
}

/** The JSON of bodies: in one piece, or, of a large message, the members before the texts, and the rest. */
export type BodiesJson = readonly [whole: Buffer] | readonly [head: Buffer, rest: Buffer]

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
const PIECE_CHARS = 64 * 1024

export function compressBodies(bodies: Bodies): CompressedBodies {
  return compressJson(jsonOfBodies(bodies))
}

export function compressJson([head, rest]: BodiesJson): CompressedBodies {
  if (rest === undefined) return { bytes: deflateRawSync(head, SMALL_DEFLATE), sizeBytes: head.length, headBytes: 0 }
  // The first segment has no final block, so the second one continues it, and both are one deflate stream.
  const first = deflateRawSync(head, { ...LEVEL, finishFlush: constants.Z_SYNC_FLUSH })
  const bytes = Buffer.concat([first, deflateRawSync(rest, LEVEL)])
  return { bytes, sizeBytes: head.length + rest.length, headBytes: first.length }
}

/**
 * A large message is converted in pieces, outside of the JavaScript heap: as one string, a body of control characters
 * takes several times its size, and one allocation of that size beyond the thread's heap limit ends the whole process
 * instead of the thread.
 */
export function jsonOfBodies({ headers, isTruncated, ...texts }: Bodies): BodiesJson {
  const chars = Object.values(texts).reduce((sum, text) => sum + text.length, 0)
  if (chars <= ONE_SEGMENT_BYTES_MAX) {
    const whole = Buffer.from(JSON.stringify({ headers, isTruncated, ...texts }))
    if (whole.length <= ONE_SEGMENT_BYTES_MAX) return [whole]
  }
  const head = Buffer.from(JSON.stringify({ headers, isTruncated }).slice(0, -1))
  const rest = Buffer.concat([...Object.entries(texts).flatMap(jsonOfText), Buffer.from('}')])
  return head.length + rest.length <= ONE_SEGMENT_BYTES_MAX ? [Buffer.concat([head, rest])] : [head, rest]
}

/** Returns the member as JSON.stringify writes it. */
function jsonOfText([name, text]: [name: string, text: string]): Buffer[] {
  const pieces = [Buffer.from(`,"${name}":"`)]
  for (let at = 0, end = 0; at < text.length; at = end) {
    end = at + PIECE_CHARS
    if (isFirstOfPair(text.charCodeAt(end - 1))) end -= 1 // half of a pair would become an escape
    pieces.push(Buffer.from(JSON.stringify(text.slice(at, end)).slice(1, -1)))
  }
  pieces.push(Buffer.from('"'))
  return pieces
}

function isFirstOfPair(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

/** @param sizeBytes of the JSON: the output buffer is then not larger than needed */
export function decompressBodies(bytes: Uint8Array, sizeBytes?: number): Bodies {
  return JSON.parse(inflateRawSync(bytes, inflateOptions(sizeBytes)).toString()) as Bodies
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

/**
 * Decompresses a large message without blocking the event loop for long.
 *
 * @param nextTurn resolves when the next step may run
 */
export async function decompressInSteps(
  { bytes, sizeBytes }: Pick<CompressedBodies, 'bytes' | 'sizeBytes'>,
  nextTurn: () => Promise<void>,
): Promise<Bodies> {
  // One output buffer: zlib would otherwise call back for each 16 KiB, and allocate a second buffer if this one is full.
  const json = await promisify(inflateRaw)(bytes, { chunkSize: sizeBytes + 1 })
  await nextTurn()
  const text = json.toString()
  await nextTurn()
  const bodies = JSON.parse(text) as Bodies
  await nextTurn()
  return bodies
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
