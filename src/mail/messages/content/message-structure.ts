/**
 * What mail programs ask of a message besides its bytes: its structure, and the texts that SEARCH compares, in a form that one thread can send to
 * another. Pure and synchronous: of large messages it runs in a thread (mail-reader.ts), because it takes seconds for a hostile one.
 */
import type { Limits } from '../../../config/limits.ts'
import { type MessageTextPiece, messageTexts } from '../../../formats/imap/message-texts.ts'
import {
  type ImapStructure,
  type MessageHead,
  opaqueStructure,
  readEnvelope,
  readImapStructure,
  readMessageHead,
} from '../../../formats/imap/read-structure.ts'
import type { StructureLimits } from '../../../formats/mime/mime-structure.ts'

/** As it is stored. */
export interface StructureTexts {
  readonly envelope: string
  readonly body: string
  readonly bodyStructure: string
  /** JSON of an ImapPart. */
  readonly parts: string
}

export interface HeadTexts extends MessageHead {
  readonly envelope: string
}

/** The texts of a message in UTF-8, one after the other. */
export interface PackedTexts {
  /** One character per text: a digit, the sum of KINDS. */
  readonly kinds: string
  /** In bytes, one per text. */
  readonly sizes: readonly number[]
  readonly bytes: Uint8Array
}

const KINDS = { header: 1, continued: 2 }

export function structureLimits({ parsing }: Pick<Limits, 'parsing'>): StructureLimits {
  return {
    depthMax: parsing.mimeDepthMax,
    partsMax: parsing.mimePartsMax,
    headerBytesMax: parsing.mimeHeaderBytesMax,
    headerFieldsMax: parsing.mimeHeaderFieldsMax,
  }
}

export function readStructure(raw: Buffer, limits: Pick<Limits, 'parsing'>): StructureTexts {
  return textsOfStructure(readImapStructure(raw, structureLimits(limits)))
}

/** @param raw the beginning of a message */
export function readHead(raw: Buffer, limits: Pick<Limits, 'parsing'>): HeadTexts {
  return { ...readMessageHead(raw), envelope: readEnvelope(raw, structureLimits(limits)) }
}

/** Returns what is shown of a message whose parts cannot be read: one file. */
export function structureOfOpaque({ envelope, ...head }: HeadTexts, sizeBytes: number): StructureTexts {
  return textsOfStructure(opaqueStructure(envelope, head, sizeBytes))
}

function textsOfStructure({ envelope, body, bodyStructure, root }: ImapStructure): StructureTexts {
  return { envelope, body, bodyStructure, parts: JSON.stringify(root) }
}

/** Returns the texts in pieces, some of which are empty: other work may run before each. */
export function textsOf(raw: Buffer, limits: Pick<Limits, 'parsing'>): Generator<MessageTextPiece> {
  return messageTexts(raw, { ...structureLimits(limits), htmlCharsMax: limits.parsing.htmlTextCharsMax })
}

/** @returns texts whose bytes have memory of their own */
export function readTexts(raw: Buffer, limits: Pick<Limits, 'parsing'>): PackedTexts {
  const kinds: number[] = []
  const sizes: number[] = []
  // Written at once into what is sent: a list of pieces, and then one of all, would be in memory together.
  let bytes = Buffer.allocUnsafeSlow(raw.length)
  let end = 0
  for (const { isHeader, isContinued, text } of textsOf(raw, limits)) {
    if (text === '' && isContinued) continue
    kinds.push((isHeader ? KINDS.header : 0) + (isContinued ? KINDS.continued : 0))
    const size = Buffer.byteLength(text)
    if (end + size > bytes.length) {
      const larger = Buffer.allocUnsafeSlow(end + size + Math.ceil(end / 2))
      bytes.copy(larger, 0, 0, end)
      bytes = larger
    }
    bytes.write(text, end)
    sizes.push(size)
    end += size
  }
  return { kinds: kinds.join(''), sizes, bytes: bytes.subarray(0, end) }
}

/** Returns the texts that `readTexts` has packed. */
export function* unpackTexts({ kinds, sizes, bytes }: PackedTexts): Generator<MessageTextPiece> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let end = 0
  for (const [index, size] of sizes.entries()) {
    const start = end
    end += size
    const kind = Number(kinds[index])
    yield {
      isHeader: (kind & KINDS.header) !== 0,
      isContinued: (kind & KINDS.continued) !== 0,
      text: buffer.toString('utf8', start, end),
    }
  }
}
