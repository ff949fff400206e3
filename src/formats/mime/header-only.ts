/**
 * Reads a message that the parser cannot handle: some header fields, as they are written, and nothing else.
 *
 * It runs where the parser must not, so it shares no code with it beyond the scan for line breaks and colons, decodes
 * nothing, and reads a bounded number of bytes once.
 */
import { createHash } from 'node:crypto'
import type { Address } from '../address/address.ts'
import { readHeaderBlock } from './header-fields.ts'
import type { MailFields } from './mime-parse.ts'

/** A header above this size is cut. */
export const HEADER_BYTES_MAX = 64 * 1024
const FIELDS_MAX = 1000
/** Characters of a value. */
const VALUE_CHARS_MAX = 10_000
/** Addresses of one field, and ids of one field. */
const LIST_MAX = 100

/** The fields as they are written: encoded words are not decoded. */
export interface HeaderOnly extends MailFields {
  /** First byte after the part of the header that was read. */
  bodyOffset: number
  /** Equal if the fields that a person sees, and `body`, are equal. */
  fingerprint(bodySha256: Uint8Array): string
}

/** The fields of the fingerprint. Trace fields differ between two deliveries of one message. */
const COMPARED = [
  'from',
  'to',
  'cc',
  'reply-to',
  'sender',
  'subject',
  'date',
  'content-type',
  'content-transfer-encoding',
  'content-disposition',
]

/** @param ownBytes how many bytes at its start this server has added: trace fields, which do not count for the limit */
export function readHeaderOnly(raw: Buffer, ownBytes: number): HeaderOnly {
  const head = raw.subarray(0, ownBytes + HEADER_BYTES_MAX)
  const { fields, bodyStart } = readHeaderBlock(head, 0, head.length)
  const headers = fields.slice(0, FIELDS_MAX).map(({ name, valueStart, end }): [string, string] => {
    return [name, plainText(head.subarray(valueStart, end))]
  })
  const values = new Map<string, string>()
  for (const [name, value] of headers) {
    const lowerName = name.toLowerCase()
    if (!values.has(lowerName)) values.set(lowerName, value)
  }
  const ids = (name: string) => inBrackets(values.get(name) ?? '').slice(-LIST_MAX)
  const addresses = (name: string) => addressesOf(values.get(name) ?? '')
  const [messageId] = ids('message-id')
  const [sender] = addresses('sender')
  const subject = values.get('subject')
  const date = new Date((values.get('date') ?? '').slice(0, 100))
  return {
    headers,
    ...(messageId !== undefined && { messageId }),
    inReplyTo: ids('in-reply-to'),
    references: ids('references'),
    ...(subject !== undefined && { subject }),
    ...(!Number.isNaN(date.getTime()) && { date }),
    from: addresses('from'),
    ...(sender !== undefined && { sender }),
    replyTo: addresses('reply-to'),
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
    receivedCount: fields.filter(({ name }) => name.toLowerCase() === 'received').length,
    bodyOffset: bodyStart,
    fingerprint(bodySha256) {
      const compared = JSON.stringify(COMPARED.map((name) => values.get(name) ?? null))
      return createHash('sha256').update(`header only\n${compared}\n`).update(bodySha256).digest('hex')
    },
  }
}

/** Returns the value on one line. PostgreSQL accepts no NULs. */
function plainText(bytes: Buffer): string {
  const text = bytes.toString().slice(0, VALUE_CHARS_MAX)
  return text
    .split('')
    .filter((char) => char !== '\r' && char !== '\n' && char !== '\0')
    .join('')
    .trim()
    .toWellFormed()
}

/** Returns the pieces from "<" to ">" that contain no white space, with the brackets. */
function inBrackets(value: string): string[] {
  const found = new Set<string>()
  for (const piece of value.split('>')) {
    const open = piece.lastIndexOf('<')
    if (open < 0) continue
    const inside = piece.slice(open + 1).trim()
    if (inside !== '' && inside.length < 900 && !inside.includes(' ') && !inside.includes('\t'))
      found.add(`<${inside}>`)
  }
  return [...found]
}

function addressesOf(value: string): Address[] {
  const pieces = value.split(',').slice(0, LIST_MAX)
  return pieces.flatMap((piece) => {
    const [inside] = inBrackets(piece.includes('>') ? piece : `<${piece}>`)
    const address = inside?.slice(1, -1)
    return address?.includes('@') ? [{ address }] : []
  })
}
