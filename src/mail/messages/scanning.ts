/**
 * Filling a page of a filtered list: rows are looked at in order, in growing chunks, until the page is full or the
 * budget is spent. A filter that meets nothing ends in a short page with a token, never in a scan of the whole inbox.
 */
import type { Keyset } from '../../store/tables/keyset.ts'
import type { ScannedRow } from '../../store/tables/messages.ts'
import type { PageWindow, Position } from '../access/paging.ts'

export interface ScannedPage {
  readonly ids: readonly string[]
  /** The last row looked at, when there is more to look at. */
  readonly last: Position | undefined
}

/** @param rowsMax rows that may be looked at */
export async function fillPage(
  window: PageWindow,
  rowsMax: number,
  scan: (keyset: Keyset) => Promise<ScannedRow[]>,
): Promise<ScannedPage> {
  const ids: string[] = []
  let after = window.after
  let looked = 0
  // One more than asked for: whether there is a next page should be known without an empty one.
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

/** SQL's truth: SQLite says 1, PostgreSQL true. */
function isTrue(value: unknown): boolean {
  return value === 1 || value === true
}
