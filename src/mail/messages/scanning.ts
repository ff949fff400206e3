/**
 * Fills a page of a filtered list: it examines rows in order, in growing chunks, until the page is full or the budget
 * is spent. A filter without matches ends in a short page with a token, never in a scan of the whole inbox.
 */
import type { Limits } from '../../config/limits.ts'
import type { Keyset } from '../../store/tables/keyset.ts'
import type { ScannedRow } from '../../store/tables/message-scans-table.ts'
import type { PagePosition, PageWindow } from '../access/paging/page-tokens.ts'

export interface FoundPage {
  readonly ids: readonly string[]
  /** The last row examined, if more rows are left to examine. */
  readonly last: PagePosition | undefined
}

export interface ScannedPage extends FoundPage {
  readonly rowsRead: number
}

export async function fillPage(
  window: PageWindow,
  limits: Limits,
  scan: (keyset: Keyset) => Promise<ScannedRow[]>,
): Promise<ScannedPage> {
  const rowsMax = limits.lists.scanRowsMax
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
        if (ids.length === window.limit) return { ids, last: after, rowsRead: looked + rows.length }
        ids.push(row.id)
      }
      after = { key: row.sortKey, id: row.id }
    }
    looked += rows.length
    if (rows.length < limit) return { ids, last: undefined, rowsRead: looked }
    chunk *= 4
  }
  return { ids, last: after, rowsRead: looked }
}

/** Sorts rows by `ids`, since the database returns them in any order. */
export function inOrder<Row extends { id: string }>(ids: readonly string[], rows: readonly Row[]): Row[] {
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.map((id) => byId.get(id)).filter((row) => row !== undefined)
}

/** SQL's true: SQLite returns 1, PostgreSQL true. */
function isTrue(value: unknown): boolean {
  return value === 1 || value === true
}
