/** Sections of FETCH (RFC 9051 §6.4.5.1): which bytes of a message they are. */
import { readTransferEncoding } from '../mime/content-fields.ts'
import { fieldValue, readHeaderBlock } from '../mime/header-fields.ts'
import type { ImapPart, Section } from './imap-parts.ts'

export interface ByteRange {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/** @returns undefined if the message has no such section */
export function sectionRange(root: ImapPart, { path, of }: Section): ByteRange | undefined {
  if (path.length === 0) return of === 'mime' ? undefined : rangeOfMessage(root, of)
  const part = findPart(root, path)
  if (!part) return undefined
  if (of === 'whole') return { start: part.bodyStart, end: part.bodyEnd }
  if (of === 'mime') return { start: part.headerStart, end: part.bodyStart }
  return part.message && rangeOfMessage(part.message, of)
}

function rangeOfMessage(message: ImapPart, of: 'whole' | 'header' | 'text'): ByteRange {
  const start = of === 'text' ? message.bodyStart : message.headerStart
  return { start, end: of === 'header' ? message.bodyStart : message.bodyEnd }
}

function findPart(root: ImapPart, [first, ...rest]: readonly number[]): ImapPart | undefined {
  let part = partOfMessage(root, first!)
  for (const number of rest) {
    if (!part) return undefined
    part = part.message ? partOfMessage(part.message, number) : part.parts?.[number - 1]
  }
  return part
}

/** A message that is not a multipart has one part: its body, number 1. */
function partOfMessage(message: ImapPart, number: number): ImapPart | undefined {
  if (message.parts) return message.parts[number - 1]
  return number === 1 ? message : undefined
}

/**
 * Returns some fields of a header block, as they are, with the blank line that ends a header.
 *
 * @param header with or without its blank line
 * @param names  in lower case
 * @param isNot  the other fields instead (HEADER.FIELDS.NOT)
 */
export function selectHeaderFields(header: Buffer, names: ReadonlySet<string>, isNot: boolean): Buffer {
  const { fields } = readHeaderBlock(header, 0, header.length)
  const chosen = fields.filter(({ name }) => names.has(name.toLowerCase()) !== isNot)
  return Buffer.concat([...chosen.map(({ start, end }) => header.subarray(start, end)), BLANK_LINE])
}

/**
 * Returns the transfer encoding by which BINARY decodes a part (RFC 9051 §6.4.5), in lower case.
 *
 * @param header of the part, with or without its blank line
 */
export function transferEncodingOf(header: Buffer): string {
  const { fields } = readHeaderBlock(header, 0, header.length)
  const values = fields
    .filter(({ name }) => name.toLowerCase() === 'content-transfer-encoding')
    .map((field) => fieldValue(header, field))
  return readTransferEncoding(values)
}

const BLANK_LINE = Buffer.from('\r\n')
