/** The header fields of messages for SEARCH, from their parsed form: what rows and the text index do not have. */

import { isMailError } from '../../../errors.ts'
import { fieldText, readHeaderBlock } from '../../../formats/mime/header-fields.ts'
import type { Db } from '../../../store/handles.ts'
import * as contentsTable from '../../../store/tables/contents-table.ts'
import { decompressFields, decompressHead } from '../../messages/content/compressed-bodies.ts'
import { type Contents, loadContent } from '../../messages/content/contents.ts'
import { DamagedContent, decodeStored, type ReportDamage } from '../../messages/content/damaged-content.ts'

/** In order, decoded. */
export type Fields = readonly (readonly [name: string, value: string])[]

/** So many are read of a header that the parsed form does not have whole: that of a hostile message can have many more. */
const HEADER_FIELDS_MAX = 20_000

interface HeaderNeeds {
  readonly db: Db
  readonly contents: Contents
  readonly reportDamage: ReportDamage
}

/**
 * Returns the headers of contents by id; undefined for one that is damaged. Those that were deleted are missing.
 *
 * @param headerBytesMax of a header that the parsed form does not have whole
 * @param pause called before each: a hostile one takes some milliseconds
 */
export async function readHeaders(
  needs: HeaderNeeds,
  ids: readonly string[],
  headerBytesMax: number,
  pause: () => Promise<void> | undefined,
): Promise<Map<string, Fields | undefined>> {
  const { db, contents, reportDamage } = needs
  const found = new Map<string, Fields | undefined>()
  for (const row of await contentsTable.getParsed(db, ids)) {
    const pausing = pause()
    if (pausing) await pausing
    try {
      found.set(row.id, storedHeader(row) ?? (await readHeader(contents, row.id, headerBytesMax)))
    } catch (error) {
      if (isMailError(error, 'not_found')) continue // it was deleted meanwhile
      if (!(error instanceof DamagedContent)) throw error
      reportDamage(row.id, error)
      found.set(row.id, undefined)
    }
  }
  return found
}

/** @returns undefined: the parsed form does not have it whole */
function storedHeader({ parsed, parsed_head_bytes, parsed_size_bytes }: contentsTable.ParsedRow): Fields | undefined {
  if (!parsed) return undefined
  const { headers, isTruncated } = decodeStored(() =>
    parsed_head_bytes > 0
      ? decompressHead(parsed.subarray(0, parsed_head_bytes)).bodies
      : decompressFields(parsed, parsed_size_bytes),
  )
  return isTruncated ? undefined : headers
}

async function readHeader(contents: Contents, id: string, bytesMax: number): Promise<Fields> {
  const bytes = await loadContent(contents, id, { start: 0, end: bytesMax })
  const { fields } = readHeaderBlock(bytes, 0, bytes.length, undefined, HEADER_FIELDS_MAX)
  return fields.map((field) => [field.name, fieldText(bytes, field)])
}
