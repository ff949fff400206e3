/** The header fields and the text of a message for SEARCH, from its parsed form: what rows and the text index do not have. */
import { readHeaderBlock } from '../../../formats/mime/header-fields.ts'
import type { Db } from '../../../store/handles.ts'
import * as contentsTable from '../../../store/tables/contents-table.ts'
import { decompressBodies, decompressHead, decompressText } from '../../messages/content/compressed-bodies.ts'
import type { Contents } from '../../messages/content/contents.ts'

type Fields = readonly (readonly [name: string, value: string])[]

export interface SearchedContent {
  /** Decoded. */
  readonly headers: Fields
  /** '' for a large message: the text index has its beginning. */
  text(): string
}

/** Of messages whose parsed form is a blob, so much is read of the header. */
const HEADER_BYTES_MAX = 256 * 1024
/** A larger parsed form is not decompressed as a whole. */
const PARSED_BYTES_MAX = 1024 * 1024

/** Returns contents by id. Those that were deleted are missing. */
export async function readContents(
  db: Db,
  contents: Contents,
  ids: readonly string[],
): Promise<Map<string, SearchedContent>> {
  const found = new Map<string, SearchedContent>()
  for (const row of await contentsTable.getParsed(db, ids)) {
    const { parsed } = row
    if (!parsed) found.set(row.id, { headers: await readHeader(contents, row.id), text: () => '' })
    else if (row.parsed_head_bytes > 0) {
      const { bodies } = decompressHead(parsed.subarray(0, row.parsed_head_bytes))
      found.set(row.id, { headers: bodies.headers, text: () => '' })
    } else if (row.parsed_size_bytes <= PARSED_BYTES_MAX) {
      const { headers } = decompressBodies(parsed, row.parsed_size_bytes)
      found.set(row.id, { headers, text: () => decompressText(parsed, row.parsed_size_bytes) })
    }
  }
  return found
}

async function readHeader(contents: Contents, id: string): Promise<Fields> {
  const chunks: Buffer[] = []
  for await (const chunk of contents.read(id, { start: 0, end: HEADER_BYTES_MAX })) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  const { fields } = readHeaderBlock(bytes, 0, bytes.length)
  return fields.map(({ name, valueStart, end }) => [name, bytes.toString('utf8', valueStart, end).trim()])
}
