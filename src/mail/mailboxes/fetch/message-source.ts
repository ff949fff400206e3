/** The bytes of a message or draft for FETCH: in memory, or read in pieces from a blob if it is large. */
import type { Limits } from '../../../config/limits.ts'
import type { ImapPart } from '../../../formats/imap/imap-parts.ts'
import { type ImapStructure, readImapStructure } from '../../../formats/imap/read-structure.ts'
import { readHeaderBlock } from '../../../formats/mime/header-fields.ts'
import type { StructureLimits } from '../../../formats/mime/mime-structure.ts'
import type { FetchedItemRow } from '../../../store/tables/mailbox-items-table.ts'
import { sourceOf } from '../../messages/content/compressed-source.ts'
import { type Contents, loadContent } from '../../messages/content/contents.ts'

export interface MessageSource {
  readonly sizeBytes: number
  /** All of it, or the header block if that was wanted; undefined when it is too large for memory: use `read`. */
  readonly bytes: Buffer | undefined
  /** Bytes [start, end). */
  read(start: number, end: number): AsyncIterable<Buffer>
  /** The parts of the message; `bytes` need not be in memory. */
  structure(): Promise<ImapPart>
}

interface SourceNeeds {
  readonly contents: Contents
  readonly largeStructures: { parts(contentId: string, signal: AbortSignal): Promise<ImapPart> }
  readonly limits: Limits
}

/** Returns the bytes of an item that was read with them, or loads them. */
export async function loadBytes(row: FetchedItemRow, { contents }: Pick<SourceNeeds, 'contents'>): Promise<Buffer> {
  const { bytes, parsed, content_id } = row
  if (bytes) {
    const source = sourceOf({ bytes, sizeBytes: row.size_bytes, parsed: parsed ?? null })
    return Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  }
  return loadContent(contents, content_id)
}

export async function openSource(
  row: FetchedItemRow,
  what: 'head' | 'whole',
  needs: SourceNeeds,
  signal: AbortSignal,
): Promise<MessageSource> {
  const { contents, largeStructures, limits } = needs
  const isLoaded = row.size_bytes <= limits.mailboxes.sourceBytesMax
  const whole = isLoaded ? await loadBytes(row, needs) : undefined
  return {
    sizeBytes: row.size_bytes,
    bytes: what === 'whole' ? whole : headOf(whole ?? (await loadStart())),
    read: (start, end) => contents.read(row.content_id, { start, end }),
    structure: async () => (whole ? structureOf(whole, limits).root : largeStructures.parts(row.content_id, signal)),
  }

  function loadStart(): Promise<Buffer> {
    const end = Math.min(row.size_bytes, limits.mailboxes.sourceBytesMax)
    return loadContent(contents, row.content_id, { start: 0, end })
  }
}

/** Returns the header with its blank line. */
function headOf(bytes: Buffer): Buffer {
  return bytes.subarray(0, readHeaderBlock(bytes, 0, bytes.length).bodyStart)
}

export function structureOf(bytes: Buffer, limits: Limits): ImapStructure {
  return readImapStructure(bytes, structureLimits(limits))
}

export function structureLimits({ parsing }: Limits): StructureLimits {
  return {
    depthMax: parsing.mimeDepthMax,
    partsMax: parsing.mimePartsMax,
    headerBytesMax: parsing.mimeHeaderBytesMax,
    headerFieldsMax: parsing.mimeHeaderFieldsMax,
  }
}
