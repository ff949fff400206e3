/**
 * The filtered lists of messages, threads and drafts: one page, bounded in the rows that are examined and in its size.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { Keyset } from '../../store/tables/keyset.ts'
import type { ScannedRow } from '../../store/tables/message-scans-table.ts'
import type { BodyMemory } from '../access/body-memory.ts'
import {
  closePage,
  openPage,
  type Page,
  type PagePosition,
  type PageRequest,
  type PageWindow,
} from '../access/paging/page-tokens.ts'
import { type FoundPage, fillPage, inOrder } from './scanning.ts'
import type { MailFilter } from './views/message.ts'

/** The columns of a list item whose length a stranger chooses; JSON lists are as long as the header field. */
interface ListedRow {
  readonly id: string
  readonly timestamp: number
  readonly subject: string | null
  readonly preview: string | null
  readonly in_reply_to?: string | null
  readonly references_list?: string | null
  /** The recipients of a draft. */
  readonly to_list?: string
  readonly cc_list?: string
  readonly bcc_list?: string
}

/** A list whose rows are found in any way. */
interface FoundList<Row extends ListedRow, Item> {
  /** Everything that selects the rows. */
  readonly criteria: unknown
  /** A strict maximum rejects longer pages: lists that examine many rows for few results have it. */
  readonly bounds: { readonly default: number; readonly max: number; readonly isStrict: boolean }
  /** Finds the rows of a page, in its order, and may return rows that it has read meanwhile, by id. */
  readonly find: (window: PageWindow) => Promise<FoundPage & { readonly rows?: ReadonlyMap<string, Row> }>
  /** The position from which a page after this row continues. */
  readonly positionOf: (row: Row) => PagePosition
  readonly listByIds: (ids: readonly string[]) => Promise<readonly Row[]>
  /** Checks again, after a wait, that the actor may see the list. */
  readonly recheck: () => Promise<unknown>
  /** Returns one item per row, in the same order. */
  readonly show: (rows: readonly Row[]) => Promise<readonly Item[]>
}

/** A list that scans the rows of a scope in the order of time. */
interface MailList<Row extends ListedRow, Item>
  extends Pick<FoundList<Row, Item>, 'criteria' | 'listByIds' | 'recheck' | 'show'> {
  /** The texts of the filter, each of which must occur. */
  readonly substrings: readonly (readonly string[] | undefined)[]
  readonly scan: (keyset: Keyset) => Promise<ScannedRow[]>
  /** Scans with all columns, so that few rows need no further statement. Not called if a filter has texts. */
  readonly scanRows?: (keyset: Keyset) => Promise<(ScannedRow & Row)[]>
}

/** Rows that one statement loads. A stranger can give each of them a subject of 256 KiB. */
const ROWS_AT_ONCE = 50

/**
 * @param memory for the texts of a large page
 * @throws invalid_page_token; validation_error for a page that is too long for a substring filter; too_many_responses;
 *   what `recheck` throws
 */
export async function listMail<Row extends ListedRow, Item>(
  request: PageRequest,
  limits: Limits,
  memory: BodyMemory,
  { substrings, scan, scanRows, ...list }: MailList<Row, Item>,
): Promise<Page<Item>> {
  const isSubstringFilter = substrings.some((texts) => texts !== undefined && texts.length > 0)
  return listFound(request, limits, memory, {
    ...list,
    bounds: pageBounds(limits, isSubstringFilter),
    async find(window) {
      const rows = new Map<string, Row>()
      const page = await fillPage(window, limits, async (keyset) => {
        // A page of ROWS_AT_ONCE scans one more, which shows whether there is a next page.
        if (!scanRows || isSubstringFilter || keyset.limit > ROWS_AT_ONCE + 1) return scan(keyset)
        const scanned = await scanRows(keyset)
        for (const row of scanned) rows.set(row.id, row)
        return scanned
      })
      return { ...page, rows }
    },
    positionOf: ({ timestamp, id }) => ({ key: timestamp, id }),
  })
}

/** The same for rows that are found in another way. @throws as listMail, and what `find` throws */
export async function listFound<Row extends ListedRow, Item>(
  request: PageRequest,
  limits: Limits,
  memory: BodyMemory,
  { criteria, bounds, find, positionOf, listByIds, recheck, show }: FoundList<Row, Item>,
): Promise<Page<Item>> {
  const window = openPage(request, criteria, bounds)
  const { rows, last } = await loadIntoMemory()
  return closePage(await show(rows), window, criteria, last)

  async function loadIntoMemory(): Promise<LoadedPage<Row>> {
    const loaded = await load()
    const { bytes } = loaded
    if (bytes <= memory.freeBytes) return loaded
    loaded.rows.length = 0 // they occupy no memory while the request waits for some
    if (await memory.reserve(bytes)) await recheck()
    return load()
  }

  async function load(): Promise<LoadedPage<Row>> {
    const { ids, rows, last } = await find(window)
    const isRead = rows !== undefined && ids.every((id) => rows.has(id))
    const list = isRead ? async (some: readonly string[]) => some.map((id) => rows.get(id)!) : listByIds
    const { isCut, ...loaded } = await loadRows(ids, list, limits)
    return { ...loaded, last: isCut ? positionOf(loaded.rows.at(-1)!) : last }
  }
}

interface LoadedRows<Row> {
  readonly rows: Row[]
  /** Size of their texts in JSON. */
  readonly bytes: number
}

interface LoadedPage<Row> extends LoadedRows<Row> {
  /** The position after which the next page continues. */
  readonly last: PagePosition | undefined
}

/**
 * Loads the first rows, as many as fit into `limits.lists.pageBytesMax`. A stranger can fill an inbox with subjects of
 * 250 KB, and 500 of them in one response would exhaust the memory: a control character takes six bytes in JSON.
 *
 * @returns `isCut` when there are more
 */
export async function loadRows<Row extends ListedRow>(
  ids: readonly string[],
  listByIds: (ids: readonly string[]) => Promise<readonly Row[]>,
  { lists: { pageBytesMax } }: Limits,
): Promise<LoadedRows<Row> & { readonly isCut: boolean }> {
  const rows: Row[] = []
  let bytes = 0
  for (let at = 0; at < ids.length; at += ROWS_AT_ONCE) {
    if (at > 0) await setImmediate() // let other work run
    const some = ids.slice(at, at + ROWS_AT_ONCE)
    for (const row of inOrder(some, await listByIds(some))) {
      const more = textBytes(row)
      if (rows.length > 0 && bytes + more > pageBytesMax) return { rows, bytes, isCut: true }
      rows.push(row)
      bytes += more
    }
  }
  return { rows, bytes, isCut: false }
}

/**
 * Checks the lists of a filter: each value is a condition of the query, and databases limit their number. A longer label
 * cannot exist, and a longer text is no filter.
 *
 * @throws validation_error
 */
export function checkFilterValues(filter: MailFilter & { readonly text?: string | undefined }, limits: Limits): void {
  const { filterValuesMax, filterCharsMax } = limits.lists
  if (filter.text !== undefined && (filter.text.trim() === '' || filter.text.length > filterCharsMax)) {
    throw new MailError('validation_error', { detail: `The text to find must have 1 to ${filterCharsMax} characters` })
  }
  for (const [name, values] of Object.entries(filter)) {
    if (!Array.isArray(values)) continue
    if (values.length > filterValuesMax) {
      const detail = `${name} can have at most ${filterValuesMax} values`
      throw new MailError('validation_error', { detail, path: [name] })
    }
    const charsMax = /labels$/i.test(name) ? limits.messages.labelCharsMax : filterCharsMax
    const tooLong = values.findIndex((value: string) => value.length > charsMax)
    if (tooLong === -1) continue
    const detail = `${name}.${tooLong} can have at most ${charsMax} characters`
    throw new MailError('validation_error', { detail, path: [name, tooLong] })
  }
}

/**
 * Substring filters examine many rows for few matches: a longer page than this is rejected
 * (docs/compatibility/agentmail.md).
 */
export function pageBounds(
  limits: Limits,
  isSubstringFilter: boolean,
): { default: number; max: number; isStrict: boolean } {
  const max = isSubstringFilter ? limits.lists.filteredPageMax : limits.lists.pageMax
  return { default: limits.lists.pageDefault, max, isStrict: isSubstringFilter }
}

/** Texts that are in JSON as they are: printable ASCII without quotes and backslashes. */
const PLAIN = /^[ !#-[\]-~]*$/

function textBytes({ subject, preview, in_reply_to, references_list, ...recipients }: ListedRow): number {
  const { to_list, cc_list, bcc_list } = recipients
  let bytes = 0
  for (const text of [subject, preview, in_reply_to, references_list, to_list, cc_list, bcc_list]) {
    if (text === null || text === undefined) continue
    // Most texts are plain, and this is part of the cost of a list.
    bytes += PLAIN.test(text) ? text.length + '""'.length : Buffer.byteLength(JSON.stringify(text))
  }
  return bytes
}
