/** The contents that FETCH sends: sections of a message (RFC 9051 §6.4.5.1), decoded parts (BINARY, RFC 3516), and their literals. */

import type { Limits } from '../../../config/limits.ts'
import type { ImapPart } from '../../../formats/imap/imap-parts.ts'
import { type ByteRange, sectionRange, selectHeaderFields, transferEncodingOf } from '../../../formats/imap/sections.ts'
import { decodeBytes, decodePartStream } from '../../../formats/mime/transfer-encoding.ts'
import type { BinaryItem, BodyItem, FetchItem, Partial } from '../grammar/imap-command.ts'
import type { ImapSession } from '../session/imap-session.ts'
import { ImapRefusal, type MessageSource } from '../session/mail-store.ts'
import { isDecoded, isWholeMessage } from './fetch-plan.ts'

export interface FetchedSource {
  readonly source: MessageSource
  /** undefined: no item needs it. */
  readonly root: ImapPart | undefined
  /** `source` is the header block only. */
  readonly isHead: boolean
}

/** Writes one item, with its name. @returns a promise if the message is not in memory */
export function writeContent(
  session: ImapSession,
  item: BodyItem | BinaryItem,
  fetched: FetchedSource,
): Promise<void> | undefined {
  const { output } = session
  const range = rangeOf(item, fetched)
  if (!range) {
    output.write(`${item.label} NIL`)
    return undefined
  }
  if (isDecoded(item)) return writeDecoded(session, item, fetched, range)
  if (item.item === 'binary size') {
    output.write(`${item.label} ${range.end - range.start}`)
    return undefined
  }
  const { bytes } = fetched.source
  if (item.item === 'section' && item.fields) return writeFields(session, item, fetched.source, range)
  if (!bytes) return writeStreamed(session, item, fetched.source, range)
  writeLiteral(session, item.label, cut(bytes.subarray(range.start, range.end), item.partial))
  return undefined
}

function rangeOf(item: BodyItem | BinaryItem, { source, root, isHead }: FetchedSource): ByteRange | undefined {
  if (isHead || isWholeMessage(item)) return { start: 0, end: source.sizeBytes }
  return root && sectionRange(root, item.item === 'section' ? item.section : { path: item.path, of: 'whole' })
}

/** HEADER.FIELDS: the chosen fields exist only after the choice. */
function writeFields(
  session: ImapSession,
  { label, fields, partial }: BodyItem,
  source: MessageSource,
  range: ByteRange,
): Promise<void> | undefined {
  const names = new Set(fields!.names.map((name) => name.toLowerCase()))
  const write = (header: Buffer) =>
    writeLiteral(session, label, cut(selectHeaderFields(header, names, fields!.isNot), partial))
  if (!source.bytes) return readHeader(session, source, range).then(write)
  write(source.bytes.subarray(range.start, range.end))
  return undefined
}

/** Reads a header. Only the beginning of a long one is read, as for the structure of the message: the rest could be as long as the message. */
async function readHeader({ limits }: ImapSession, source: MessageSource, { start, end }: ByteRange): Promise<Buffer> {
  const chunks: Buffer[] = []
  const last = Math.min(end, start + limits.parsing.mimeHeaderBytesMax)
  for await (const chunk of source.read(start, last)) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

function writeLiteral({ output }: ImapSession, label: string, bytes: Buffer): void {
  if (bytes.length === 0) {
    output.write(`${label} ""`)
    return
  }
  output.write(`${label} {${bytes.length}}\r\n`)
  output.writeBytes(bytes)
}

/** RFC 9051 §6.4.5: a partial beyond the end is empty, or shorter. */
function cut(bytes: Buffer, partial: Partial | undefined): Buffer {
  return partial ? bytes.subarray(partial.start, partial.start + partial.count) : bytes
}

async function writeStreamed(
  session: ImapSession,
  { label, partial }: BodyItem | BinaryItem,
  source: MessageSource,
  range: ByteRange,
): Promise<void> {
  const start = Math.min(range.end, range.start + (partial?.start ?? 0))
  const end = partial ? Math.min(range.end, start + partial.count) : range.end
  if (start === end) {
    session.output.write(`${label} ""`)
    return
  }
  // Reads the last byte first. Otherwise a file that is lost or too short would break off the literal, and so the connection, at each FETCH.
  await readToEnd(source.read(end - 1, end))
  session.output.write(`${label} {${end - start}}\r\n`)
  await writeChunks(session, source.read(start, end), end - start)
}

export async function readToEnd(chunks: AsyncIterable<Buffer>): Promise<void> {
  const reading = chunks[Symbol.asyncIterator]()
  while (!(await reading.next()).done);
}

/** @throws if there are not exactly `sizeBytes`; if some were written, the literal cannot be completed, so the connection must end */
async function writeChunks(session: ImapSession, chunks: AsyncIterable<Buffer>, sizeBytes: number): Promise<void> {
  let written = 0
  for await (const chunk of chunks) {
    written += chunk.length
    if (written > sizeBytes) break
    session.output.writeBytes(chunk)
    await session.output.flush()
  }
  if (written !== sizeBytes) throw new Error(`${written} of ${sizeBytes} bytes of a literal exist`)
}

/** A literal whose size was announced cannot be completed: nothing that follows would be understood. */
export class BrokenLiteral extends Error {
  constructor(cause: unknown) {
    super('a literal cannot be completed', { cause })
    this.name = 'BrokenLiteral'
  }
}

const ENCODINGS = new Set(['7bit', '8bit', 'binary', 'base64', 'quoted-printable'])

/**
 * Call it before anything of a response is written: one that has begun cannot be taken back.
 *
 * @throws ImapRefusal UNKNOWN-CTE (RFC 9051 §7.1) if a part that is wanted cannot be decoded
 */
export async function requireDecodable(
  session: ImapSession,
  items: readonly FetchItem[],
  fetched: FetchedSource,
): Promise<void> {
  const parts = new Map(items.filter(isDecoded).map((item) => [item.path.join('.'), item]))
  for (const item of parts.values()) {
    if (!rangeOf(item, fetched)) continue
    if (!ENCODINGS.has(await encodingOf(session, item, fetched)))
      throw new ImapRefusal('UNKNOWN-CTE', 'the transfer encoding of a part is not known')
    await session.services.work.wait() // the header of a part can be long
  }
}

/**
 * Reads the last byte that the contents of a response need, if the message is not in memory. Call it as `requireDecodable`. One content
 * alone needs no call: its literal begins after its last byte was read.
 *
 * @throws ImapRefusal CORRUPTION or NONEXISTENT if the message ends before, or was deleted
 */
export async function requireComplete(
  { limits }: ImapSession,
  items: readonly FetchItem[],
  fetched: FetchedSource,
): Promise<void> {
  const { source } = fetched
  if (source.bytes) return
  const ends = items.flatMap((item) => {
    const range = 'isPeek' in item ? rangeOf(item, fetched) : undefined
    return range ? [Math.min(range.end, range.start + bytesNeeded(item, limits))] : []
  })
  const end = Math.max(0, ...ends)
  if (ends.length > 1 && end > 0) await readToEnd(source.read(end - 1, end))
}

/** Returns how many bytes of its section a content needs, if it has as many. */
function bytesNeeded(item: FetchItem, { parsing }: Limits): number {
  if (isDecoded(item) || !('isPeek' in item)) return Number.POSITIVE_INFINITY
  if (item.item === 'section' && item.fields) return parsing.mimeHeaderBytesMax
  return item.partial ? item.partial.start + item.partial.count : Number.POSITIVE_INFINITY
}

async function encodingOf(
  session: ImapSession,
  { path }: BinaryItem,
  { source, root }: FetchedSource,
): Promise<string> {
  const mime = sectionRange(root!, { path, of: 'mime' })!
  return transferEncodingOf(source.bytes?.subarray(mime.start, mime.end) ?? (await readHeader(session, source, mime)))
}

async function writeDecoded(
  session: ImapSession,
  item: BinaryItem,
  fetched: FetchedSource,
  range: ByteRange,
): Promise<void> {
  const { source } = fetched
  const encoding = await encodingOf(session, item, fetched)
  if (source.bytes) {
    const decoded = decodeBytes(source.bytes.subarray(range.start, range.end), encoding)
    if (item.item === 'binary size') {
      session.output.write(`${item.label} ${decoded.length}`)
      return
    }
    const bytes = cut(decoded, item.partial)
    if (bytes.includes(0)) session.output.write(`${item.label} ~{${bytes.length}}\r\n`)
    else if (bytes.length === 0) session.output.write(`${item.label} ""`)
    else session.output.write(`${item.label} {${bytes.length}}\r\n`)
    session.output.writeBytes(bytes)
    return
  }
  await writeDecodedStream(session, item, source, range, encoding)
}

/** Decodes twice: the size comes before the bytes. */
async function writeDecodedStream(
  session: ImapSession,
  { item, label, partial }: BinaryItem,
  source: MessageSource,
  range: ByteRange,
  encoding: string,
): Promise<void> {
  let sizeBytes = 0
  const decode = () => decodePartStream(source.read(range.start, range.end), encoding)
  for await (const chunk of decode()) sizeBytes += chunk.length
  if (item === 'binary size') {
    session.output.write(`${label} ${sizeBytes}`)
    return
  }
  const start = Math.min(sizeBytes, partial?.start ?? 0)
  const end = partial ? Math.min(sizeBytes, start + partial.count) : sizeBytes
  session.output.write(`${label} ~{${end - start}}\r\n`)
  await writeChunks(session, between(decode(), start, end), end - start)
}

/** Bytes [start, end) of a stream. */
async function* between(chunks: AsyncIterable<Buffer>, start: number, end: number): AsyncGenerator<Buffer> {
  let at = 0
  for await (const chunk of chunks) {
    const wanted = chunk.subarray(Math.max(0, start - at), Math.max(0, end - at))
    if (wanted.length > 0) yield wanted
    at += chunk.length
    if (at >= end) return
  }
}
