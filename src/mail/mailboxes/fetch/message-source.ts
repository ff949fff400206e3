/** The bytes of a message or draft for FETCH: in memory, or read in pieces from a blob if it is large. */
import type { Limits } from '../../../config/limits.ts'
import type { ImapPart } from '../../../formats/imap/imap-parts.ts'
import { mayHaveParts, readImapStructure } from '../../../formats/imap/read-structure.ts'
import { readHeaderBlock } from '../../../formats/mime/header-fields.ts'
import type { FetchedItemRow } from '../../../store/tables/mailbox-items-table.ts'
import type { Turn } from '../../jobs/turn-queue.ts'
import { sourceOf } from '../../messages/content/compressed-source.ts'
import { type Contents, loadContent } from '../../messages/content/contents.ts'
import { DamagedContent, type ReportDamage } from '../../messages/content/damaged-content.ts'
import { structureLimits } from '../../messages/content/message-structure.ts'
import type { LargeStructures } from './large-structures.ts'

export interface MessageSource {
  readonly sizeBytes: number
  /** All of it, or the header block if that was wanted; undefined when it is too large for memory: use `read`. */
  readonly bytes: Buffer | undefined
  /** Bytes [start, end). @throws DamagedContent, also if there are fewer */
  read(start: number, end: number): AsyncIterable<Buffer>
  /** The parts of the message; `bytes` need not be in memory. @throws DamagedContent */
  structure(): Promise<ImapPart>
}

interface SourceNeeds {
  readonly contents: Contents
  readonly reportDamage: ReportDamage
  readonly largeStructures: Pick<LargeStructures, 'parts'>
  readonly limits: Limits
}

/** The tenant for whom messages are read. */
export interface Reading {
  readonly turn: Turn
  readonly signal: AbortSignal
  /** Lets other work run when a slice of time is over (search-slices.ts). */
  readonly pause: () => Promise<void> | undefined
}

/** Logs it if it says that a content is damaged. @returns the error */
export function reportedDamage(error: unknown, contentId: string, { reportDamage }: Pick<SourceNeeds, 'reportDamage'>) {
  if (error instanceof DamagedContent) reportDamage(contentId, error)
  return error
}

/** Returns the bytes of an item that was read with them, or loads them. */
export async function loadBytes(row: FetchedItemRow, { contents }: Pick<SourceNeeds, 'contents'>): Promise<Buffer> {
  const { bytes, parsed, content_id } = row
  if (bytes) {
    const source = sourceOf({ bytes, sizeBytes: row.size_bytes, parsed: parsed ?? null })
    return Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  }
  return loadContent(contents, content_id, { start: 0, end: row.size_bytes })
}

const DELIMITER_START = '\n--'

/**
 * Whether the structure of a message takes too long for the event loop: each part takes some 50 µs, and ten times as long at first.
 * Patches, signatures and SQL dumps have such lines too, but most of them in messages without parts.
 */
export function hasManyParts(bytes: Buffer, { mailboxes }: Limits): boolean {
  let count = 0
  for (let at = bytes.indexOf(DELIMITER_START); at !== -1; at = bytes.indexOf(DELIMITER_START, at + 1)) {
    count += 1
    if (count > mailboxes.structurePartsMax) return mayHaveParts(bytes)
  }
  return false
}

/** @throws DamagedContent; not_found when the content was deleted */
export async function openSource(
  row: FetchedItemRow,
  what: 'head' | 'whole',
  needs: SourceNeeds,
  { turn, signal, pause }: Reading,
): Promise<MessageSource> {
  const { contents, largeStructures, limits } = needs
  const isLoaded = row.size_bytes <= limits.mailboxes.sourceBytesMax
  const whole = isLoaded ? await loadBytes(row, needs) : undefined
  return {
    sizeBytes: row.size_bytes,
    bytes: what === 'whole' ? whole : headOf(whole ?? (await loadStart())),
    read,
    structure: () => (whole && !hasManyParts(whole, limits) ? scan(whole) : readParts()),
  }

  /** A batch may have several of them. */
  async function scan(bytes: Buffer): Promise<ImapPart> {
    await pause()
    return readImapStructure(bytes, structureLimits(limits)).root
  }

  async function* read(start: number, end: number): AsyncGenerator<Buffer> {
    try {
      yield* contents.read(row.content_id, { start, end })
    } catch (error) {
      throw reportedDamage(error, row.content_id, needs)
    }
  }

  async function readParts(): Promise<ImapPart> {
    try {
      return await largeStructures.parts({ id: row.content_id, sizeBytes: row.size_bytes, turn }, signal)
    } catch (error) {
      throw reportedDamage(error, row.content_id, needs)
    }
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
