/**
 * Reads everything that IMAP says about a message: ENVELOPE, BODYSTRUCTURE, and where its parts are. One scan for each level of messages
 * in messages, whose depth is limited: the time is linear in the size of the message. For 50 MB it can be seconds, so that large
 * messages are read in a thread (mail/messages/content/mail-reader.ts).
 */
import { readContentType } from '../mime/content-fields.ts'
import { fieldValue, readHeaderBlock } from '../mime/header-fields.ts'
import { type MimePart, type StructureLimits, scanStructure } from '../mime/mime-structure.ts'
import { type ScannedPart, showsLines, writeBodyStructure } from './body-structure.ts'
import { envelopeOf } from './envelope.ts'
import type { ImapPart } from './imap-parts.ts'
import { ImapResponseBudget } from './imap-response-budget.ts'
import { headerString } from './imap-string.ts'
import { transferEncodingOf } from './sections.ts'

export interface ImapStructure {
  /** As in responses, with parentheses, in ASCII. */
  readonly envelope: string
  /** BODYSTRUCTURE without extension data (RFC 9051 §6.4.5). */
  readonly body: string
  readonly bodyStructure: string
  readonly root: ImapPart
}

/** Messages in messages. A deeper one is shown as a file. */
const MESSAGE_DEPTH_MAX = 5

/** @param raw the whole message, with CRLF line ends */
export function readImapStructure(raw: Buffer, limits: StructureLimits): ImapStructure {
  const { scanned, charset } = scan(raw, limits)
  const write = (isExtended: boolean) =>
    writeBodyStructure(scanned, { raw, charset, isExtended, budget: new ImapResponseBudget() })
  return {
    envelope: envelopeOf(raw, scanned.part.fields, charset),
    body: write(false),
    bodyStructure: write(true),
    root: toImapPart(scanned),
  }
}

/** Bytes of a header in which `mayHaveParts` looks for Content-Type. */
const TYPE_SEARCH_BYTES = 32 * 1024

/** Whether a message may have parts, or is one message in another: true also if that takes more than a look at its first bytes. */
export function mayHaveParts(raw: Buffer): boolean {
  const beginning = raw.subarray(0, TYPE_SEARCH_BYTES)
  const { fields, bodyStart } = readHeaderBlock(beginning, 0, beginning.length)
  // A line that was cut is no field: the header may go on after it.
  if (!beginning.includes(LF, bodyStart)) return true
  // Of several, the one whose boundary occurs is used.
  return fields.some((field) => {
    if (field.name.toLowerCase() !== 'content-type') return false
    const search = { isOpen: () => false, bytesLeft: 0 }
    const { type = '' } = readContentType([fieldValue(beginning, field)], Buffer.alloc(0), search)
    return type.startsWith('multipart/') || type.startsWith('message/')
  })
}

/** ENVELOPE of a message whose header cannot be read. */
export const EMPTY_ENVELOPE = `(${Array(10).fill('NIL').join(' ')})`

/** What is known of a message whose parts cannot be read. */
export interface MessageHead {
  readonly bodyStart: number
  /** Transfer encoding of the body. BINARY must decode by the same one. */
  readonly encoding: string
}

/** @param raw the beginning of a message; a header that is longer ends with it */
export function readMessageHead(raw: Buffer): MessageHead {
  const { bodyStart } = readHeaderBlock(raw, 0, raw.length)
  return { bodyStart, encoding: transferEncodingOf(raw.subarray(0, bodyStart)) }
}

/** Returns the structure of a message that is shown as one file, because its parts cannot be read. */
export function opaqueStructure(
  envelope: string,
  { bodyStart, encoding }: MessageHead,
  sizeBytes: number,
): ImapStructure {
  const body = `("application" "octet-stream" NIL NIL NIL ${headerString(encoding)} ${sizeBytes - bodyStart}`
  return {
    ...{ envelope, body: `${body})`, bodyStructure: `${body} NIL NIL NIL NIL)` },
    root: { headerStart: 0, bodyStart, bodyEnd: sizeBytes },
  }
}

/** @param header the header block of a message, or more of it */
export function readEnvelope(
  header: Buffer,
  limits: Pick<StructureLimits, 'headerBytesMax' | 'headerFieldsMax'>,
): string {
  const { fields } = readHeaderBlock(header, 0, limits.headerBytesMax, undefined, limits.headerFieldsMax)
  return envelopeOf(header, fields)
}

function scan(raw: Buffer, limits: StructureLimits): { scanned: ScannedPart; charset: string } {
  const left = { parts: limits.partsMax, fields: limits.headerFieldsMax }
  const { root, charset } = scanStructure(raw, limits)
  return { scanned: describe(root, MESSAGE_DEPTH_MAX), charset }

  function describe(part: MimePart, depthLeft: number): ScannedPart {
    left.parts--
    left.fields -= part.fields.length
    if (part.contentType.startsWith('multipart/')) {
      const children = part.children.length > 0 ? part.children : [emptyPart(part)]
      return { part, parts: children.map((child) => describe(child, depthLeft)) }
    }
    if (!isOfMessageType(part)) return { part, parts: [], ...(showsLines(part) && { lineCount: linesOf(part) }) }
    if (isEncoded(part) || depthLeft === 0 || left.parts <= 0) return { part: asFile(part), parts: [] }
    const inner = scanStructure(raw.subarray(part.bodyStart, part.bodyEnd), {
      ...limits,
      partsMax: left.parts,
      headerFieldsMax: Math.max(0, left.fields),
    })
    const message = describe(moved(inner.root, part.bodyStart), depthLeft - 1)
    return { part, parts: [], message, lineCount: linesOf(part) }
  }

  function linesOf({ bodyStart, bodyEnd }: MimePart): number {
    let count = 0
    for (let pos = bodyStart; pos < bodyEnd; pos++) if (raw[pos] === LF) count++
    return count
  }
}

const LF = 0x0a

/** RFC 2046 §5.2.1, RFC 6532 §3.7. */
function isOfMessageType({ contentType }: MimePart): boolean {
  return contentType === 'message/rfc822' || contentType === 'message/global'
}

/** RFC 2046 §5.2.1 forbids it: the message cannot be read in place. */
function isEncoded({ encoding }: MimePart): boolean {
  return encoding === 'base64' || encoding === 'quoted-printable'
}

/** BODYSTRUCTURE of message/rfc822 must contain the message; this says that it is not looked into. */
function asFile(part: MimePart): MimePart {
  return { ...part, contentType: 'application/octet-stream' }
}

/** RFC 9051 §9: body-type-mpart has at least one part. */
function emptyPart(multipart: MimePart): MimePart {
  const at = multipart.bodyEnd
  return {
    ...{ headerStart: at, headerEnd: at, bodyStart: at, bodyEnd: at },
    ...{ fields: [], contentType: 'text/plain', parameters: new Map(), encoding: '7bit', children: [] },
  }
}

/** Offsets relative to the whole message instead of to the part that contains this one. */
function moved(part: MimePart, by: number): MimePart {
  return {
    ...part,
    headerStart: part.headerStart + by,
    headerEnd: part.headerEnd + by,
    bodyStart: part.bodyStart + by,
    bodyEnd: part.bodyEnd + by,
    fields: part.fields.map((field) => ({
      ...field,
      start: field.start + by,
      valueStart: field.valueStart + by,
      end: field.end + by,
    })),
    children: part.children.map((child) => moved(child, by)),
  }
}

function toImapPart({ part, parts, message }: ScannedPart): ImapPart {
  const { headerStart, bodyStart, bodyEnd } = part
  return {
    ...{ headerStart, bodyStart, bodyEnd },
    ...(parts.length > 0 && { parts: parts.map(toImapPart) }),
    ...(message && { message: toImapPart(message) }),
  }
}
