/**
 * The filtered lists of messages and threads: one page, bounded in the rows that are examined and in its size.
 */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { Keyset } from '../../store/tables/keyset.ts'
import type { ScannedRow } from '../../store/tables/messages-table.ts'
import { closePage, openPage, type Page, type PagePosition, type PageRequest } from '../access/paging/page-tokens.ts'
import { fillPage, inOrder } from './scanning.ts'
import type { MailFilter } from './views/message.ts'

/** The columns of a list item whose length a stranger chooses; JSON lists are as long as the header field. */
interface ListedRow {
  readonly id: string
  readonly timestamp: number
  readonly subject: string | null
  readonly preview: string | null
  readonly in_reply_to?: string | null
  readonly references_list?: string | null
}

interface MailList<Row extends ListedRow, Item> {
  /** Everything that selects the rows. */
  readonly criteria: unknown
  /** The texts of the filter, each of which must occur. */
  readonly substrings: readonly (readonly string[] | undefined)[]
  readonly scan: (keyset: Keyset) => Promise<ScannedRow[]>
  readonly listByIds: (ids: readonly string[]) => Promise<readonly Row[]>
  /** Returns one item per row, in the same order. */
  readonly show: (rows: readonly Row[]) => Promise<readonly Item[]>
}

/** @throws invalid_page_token; validation_error for a page that is too long for a substring filter */
export async function listMail<Row extends ListedRow, Item>(
  request: PageRequest,
  limits: Limits,
  { criteria, substrings, scan, listByIds, show }: MailList<Row, Item>,
): Promise<Page<Item>> {
  const isSubstringFilter = substrings.some((texts) => texts !== undefined && texts.length > 0)
  const window = openPage(request, criteria, pageBounds(limits, isSubstringFilter))
  const scanned = await fillPage(window, limits, scan)
  const found = inOrder(scanned.ids, await listByIds(scanned.ids))
  const { rows, last } = withinPageBytes(found, scanned.last, limits.lists.pageBytesMax)
  return closePage(await show(rows), window, criteria, last)
}

/** Each value is a condition of the query, and databases limit their number. @throws validation_error */
export function requireFewValues(filter: MailFilter, limits: Limits): void {
  const valuesMax = limits.lists.filterValuesMax
  for (const [name, values] of Object.entries(filter)) {
    if (!Array.isArray(values) || values.length <= valuesMax) continue
    throw new MailError('validation_error', { detail: `${name} can have at most ${valuesMax} values`, path: [name] })
  }
}

/**
 * Substring filters examine many rows for few matches: a longer page than this is rejected
 * (docs/compatibility/agentmail.md).
 */
function pageBounds(limits: Limits, isSubstringFilter: boolean): { default: number; max: number; isStrict: boolean } {
  const max = isSubstringFilter ? limits.lists.filteredPageMax : limits.lists.pageMax
  return { default: limits.lists.pageDefault, max, isStrict: isSubstringFilter }
}

/**
 * Returns the first rows of a page, as many as fit into `limits.lists.pageBytesMax`, and the position after which the next
 * page continues. A stranger can fill an inbox with subjects of 250 KB, and 500 of them in one response would exhaust the
 * memory: a control character takes six bytes in JSON.
 */
function withinPageBytes<Row extends ListedRow>(
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
