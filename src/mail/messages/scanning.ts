/**
 * Fills a page of a filtered list: it examines rows in order, in growing chunks, until the page is full or the budget
 * is spent. A filter without matches ends in a short page with a token, never in a scan of the whole inbox.
 */
import type { Keyset } from '../../store/tables/keyset.ts'
import type { ScannedRow } from '../../store/tables/messages-table.ts'
import type { PagePosition, PageWindow } from '../access/paging/page-tokens.ts'

export interface ScannedPage {
  readonly ids: readonly string[]
  /** The last row examined, if more rows are left to examine. */
  readonly last: PagePosition | undefined
}

/** @param rowsMax number of rows that may be examined */
export async function fillPage(
  window: PageWindow,
  rowsMax: number,
  scan: (keyset: Keyset) => Promise<ScannedRow[]>,
): Promise<ScannedPage> {
  const ids: string[] = []
  let after = window.after
  let looked = 0
  // One more than requested, so that the result shows whether a next page exists.
  let chunk = window.limit + 1

  while (looked < rowsMax) {
    const limit = Math.min(chunk, rowsMax - looked)
    const rows = await scan({ limit, ascending: window.ascending, after })
    for (const row of rows) {
      if (isTrue(row.matches)) {
        if (ids.length === window.limit) return { ids, last: after }
        ids.push(row.id)
      }
      after = { key: row.timestamp, id: row.id }
    }
    looked += rows.length
    if (rows.length < limit) return { ids, last: undefined }
    chunk *= 4
  }
  return { ids, last: after }
}

/** The columns of a list item whose length a stranger chooses; JSON lists are as long as the header field. */
interface ListedTexts {
  readonly subject: string | null
  readonly preview: string | null
  readonly in_reply_to?: string | null
  readonly references_list?: string | null
}

/**
 * Returns the first rows of a page, as many as fit into `limits.lists.pageBytesMax`, and the position after which the next
 * page continues. A stranger can fill an inbox with subjects of 250 KB, and 500 of them in one response would exhaust the
 * memory: a control character takes six bytes in JSON.
 */
export function withinPageBytes<Row extends ListedTexts & { readonly id: string; readonly timestamp: number }>(
  rows: readonly Row[],
  last: PagePosition | undefined,
  bytesMax: number,
): { rows: readonly Row[]; last: PagePosition | undefined } {
  let bytes = 0
  for (const [index, { subject, preview, in_reply_to = null, references_list = null }] of rows.entries()) {
    for (const text of [subject, preview, in_reply_to, references_list]) {
      if (text !== null) bytes += Buffer.byteLength(JSON.stringify(text))
    }
    if (bytes <= bytesMax || index === 0) continue
    const { id, timestamp } = rows[index - 1]!
    return { rows: rows.slice(0, index), last: { key: timestamp, id } }
  }
  return { rows, last }
}

/** SQL's true: SQLite returns 1, PostgreSQL true. */
function isTrue(value: unknown): boolean {
  return value === 1 || value === true
}
