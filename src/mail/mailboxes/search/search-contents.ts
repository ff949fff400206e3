/** The header fields of messages for SEARCH, from their parsed form: what rows and the text index do not have. */
import { fieldText, readHeaderBlock } from '../../../formats/mime/header-fields.ts'
import type { Db } from '../../../store/handles.ts'
import * as contentsTable from '../../../store/tables/contents-table.ts'
import { decompressFields, decompressHead } from '../../messages/content/compressed-bodies.ts'
import { type Contents, loadContent } from '../../messages/content/contents.ts'

/** In order, decoded. */
export type Fields = readonly (readonly [name: string, value: string])[]

/** So many are read of a header that the parsed form does not have whole: that of a hostile message can have many more. */
const HEADER_FIELDS_MAX = 20_000

/**
 * Returns the headers of contents by id. Those that were deleted are missing.
 *
 * @param headerBytesMax of a header that the parsed form does not have whole
 * @param pause called before each: a hostile one takes some milliseconds
 */
export async function readHeaders(
  db: Db,
  contents: Contents,
  ids: readonly string[],
  headerBytesMax: number,
  pause: () => Promise<void> | undefined,
): Promise<Map<string, Fields>> {
  const found = new Map<string, Fields>()
  for (const { id, parsed, parsed_head_bytes, parsed_size_bytes } of await contentsTable.getParsed(db, ids)) {
    const pausing = pause()
    if (pausing) await pausing
    const bodies =
      parsed &&
      (parsed_head_bytes > 0
        ? decompressHead(parsed.subarray(0, parsed_head_bytes)).bodies
        : decompressFields(parsed, parsed_size_bytes))
    found.set(id, bodies && !bodies.isTruncated ? bodies.headers : await readHeader(contents, id, headerBytesMax))
  }
  return found
}

async function readHeader(contents: Contents, id: string, bytesMax: number): Promise<Fields> {
  const bytes = await loadContent(contents, id, { start: 0, end: bytesMax })
  const { fields } = readHeaderBlock(bytes, 0, bytes.length, undefined, HEADER_FIELDS_MAX)
  return fields.map((field) => [field.name, fieldText(bytes, field)])
}
