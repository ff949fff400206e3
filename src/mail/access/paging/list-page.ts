/**
 * Reads one page of a list that is sorted by creation time. One query selects exactly the rows that are shown. Lists
 * that examine more rows than they show use messages/mail-list.ts instead.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Keyset } from '../../../store/tables/keyset.ts'
import { closePage, openPage, type Page, type PageRequest } from './page-tokens.ts'

/** A row with its sort key. */
interface ListedRow {
  readonly id: string
  readonly created_at: number
}

export interface List<Row extends ListedRow, Item> {
  /** As in openPage: everything that selects the rows. If other lists have the same filter, add the list's name. */
  readonly filter: unknown
  /** Queries the first `limit` rows after the position, in the order of (created_at, id). */
  readonly select: (keyset: Keyset) => Promise<readonly Row[]>
  /** Returns one item per row, in the same order. */
  readonly show: (rows: readonly Row[]) => readonly Item[] | Promise<readonly Item[]>
}

/**
 * The page has up to `request.limit` items (default limits.lists.pageDefault, at most limits.lists.pageMax), and a
 * token if more rows exist.
 *
 * @throws invalid_page_token; what `select` and `show` throw
 */
export async function listPage<Row extends ListedRow, Item>(
  request: PageRequest,
  { lists: { pageDefault, pageMax } }: Limits,
  { filter, select, show }: List<Row, Item>,
): Promise<Page<Item>> {
  const window = openPage(request, filter, { default: pageDefault, max: pageMax })
  const found = await select({ ...window, limit: window.limit + 1 }) // one more shows whether a next page exists
  const rows = found.slice(0, window.limit)
  const last = found.length > rows.length ? rows.at(-1) : undefined
  return closePage(await show(rows), window, filter, last && { key: last.created_at, id: last.id })
}
