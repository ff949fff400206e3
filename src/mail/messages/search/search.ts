/**
 * Substring search in one inbox, newest first. It is exact from the moment at which a message is committed:
 *
 *   the messages after the last block of the index: compare all → a block: read the slices of the query, compare the
 *   messages that may match → messages between two blocks: compare all → the next block → …
 *
 * Within an inbox, messages are committed in the order of their numbers, because each is inserted under the lock of the
 * inbox. So a number divides what was examined from what was not, for the index, for pages and for new messages.
 *
 * The index is only a filter, and its blocks never change: one that is missing, damaged or removed meanwhile makes a
 * search slower, not wrong. The work of one page is limited, so a page can be empty and have a next one.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { foldText, queryBits } from '../../../formats/search/search-signature.ts'
import type { Log } from '../../../log.ts'
import type { Db } from '../../../store/handles.ts'
import type { KindAddress } from '../../../store/schema/message-rows.ts'
import type { Store } from '../../../store/store.ts'
import { addressesOf, bccOf } from '../../../store/tables/addresses-table.ts'
import * as index from '../../../store/tables/search-index-table.ts'
import { findCandidates } from './candidates.ts'
import { INDEX_MESSAGES } from './index-messages.ts'
import { MessageText, SEARCH_COLUMNS, type SearchColumn, textFunctionOf } from './message-text.ts'
import { repairBlocks } from './repair-blocks.ts'
import type { FoldedTexts } from './text-cache.ts'

/** Each text must be a substring of one of the columns, regardless of case. */
export interface SearchClause {
  readonly columns: readonly SearchColumn[]
  readonly allOf: readonly string[]
}

export interface SearchRequest {
  readonly inboxId: string
  /** A message is found when at least one clause matches. The texts are plain data: no character in them is an operator. */
  readonly anyOf: readonly SearchClause[]
  /** Bits of the hidden classes to omit. */
  readonly hiddenMask?: number
  /** Epoch ms, exclusive. */
  readonly before?: number | undefined
  readonly after?: number | undefined
  /** The position at which the previous page ended: its `nextNumber`. */
  readonly beforeNumber?: number | undefined
  readonly limit: number
  /** Whether the inbox is known to have few messages: then the index would save nothing. */
  readonly isSmall?: boolean
  /** Work of the page; the default is limits.search.pageRowsMax. */
  readonly rowsMax?: number
  /** Called for each match, in their order. It says whether the match is a result, and how many messages it compared. */
  readonly accept?: (match: Match) => Promise<{ readonly isResult: boolean; readonly rowsRead: number }>
}

/** A message that matches. */
export interface Match extends Pick<index.SearchableRow, 'id' | 'number' | 'thread_id' | 'timestamp'> {
  readonly text: MessageText
  /** The addresses of the header, and Bcc addresses. */
  readonly addresses: readonly KindAddress[]
}

export interface SearchPage {
  readonly messages: readonly { readonly id: string; readonly number: number }[]
  /** undefined: this is the last page. */
  readonly nextNumber: number | undefined
  /** How much of the work was not used. */
  readonly rowsLeft: number
}

/** Texts per clause, and characters per text: they bound the time for a query. */
const TEXTS_MAX = 64
const TEXT_CHARS_MAX = 256

/** Messages that are compared before other work may run. */
const COMPARED_AT_ONCE = 50
/** Blocks that are read at once: first a few, because a page of a common word ends soon, then more. */
const BLOCKS_AT_FIRST = 4
const BLOCKS_AT_ONCE = 64

/** Messages near the beginning or end of a range of times whose numbers are read. */
const NUMBERS_MAX = 1_000

interface SearchNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly foldedTexts: FoldedTexts
  readonly log: Log
  readonly limits: Limits
}

export async function searchMessages(
  { store, foldedTexts, log, limits }: SearchNeeds,
  request: SearchRequest,
): Promise<SearchPage> {
  const { db } = store
  const { inboxId, hiddenMask = 0, limit } = request
  const clauses = foldClauses(request.anyOf)
  const bits = clauses.map(({ allOf }) => queryBits(allOf))
  const charsMax = limits.parsing.searchTextCharsMax
  const found: { id: string; number: number }[] = []
  let before = request.beforeNumber ?? Number.MAX_SAFE_INTEGER
  let rowsLeft = request.rowsMax ?? limits.search.pageRowsMax
  const range = await rangeOfTimes(db, request, limits)
  before = Math.min(before, range.before)
  /** Ids of blocks of which a part is missing. */
  const damaged = new Set<number>()
  if (clauses.length === 0) return { messages: [], nextNumber: undefined, rowsLeft }
  // Without a bit in each clause, a text of one or two letters for example, the index excludes nothing.
  const isIndexed = request.isSmall !== true && bits.every((each) => each.length > 0)
  const hasReadAll = (await (isIndexed ? searchBlocks() : compareDownTo(range.after))) === 'all read'
  await repairBlocks({ store, log }, { inboxId, jobKind: INDEX_MESSAGES, damaged: [...damaged] })
  return { messages: found, nextNumber: hasReadAll ? undefined : before, rowsLeft }

  async function searchBlocks(): Promise<Progress> {
    for (let size = BLOCKS_AT_FIRST; before > range.after + 1; size = Math.min(4 * size, BLOCKS_AT_ONCE)) {
      const which = { inboxId, kind: 'text', textFunction: textFunctionOf(limits) } as const
      const page = { ...which, ...range, before, limit: size }
      const blocks = await index.listBlocks(db, page)
      const candidates = await findCandidates(db, blocks, bits)
      for (const block of blocks) {
        if ((await compareDownTo(block.last_number)) === 'page ends') return 'page ends'
        if (rowsLeft <= 0) return 'page ends' // also when no block has a message to compare
        rowsLeft -= 1
        const numbers = candidates.get(block.id)
        if (!numbers) damaged.add(block.id)
        const end = Math.max(block.after_number, range.after)
        const progress = numbers ? await compareNumbers(numbers) : await compareDownTo(end)
        if (progress === 'page ends') return 'page ends'
        before = end + 1
      }
      if (blocks.length < size) return compareDownTo(range.after)
    }
    return 'all read'
  }

  /** Compares all messages from `before` down to those with this number. */
  async function compareDownTo(after: number): Promise<Progress> {
    while (before > after + 1) {
      if (rowsLeft <= 0) return 'page ends'
      const rowsMax = Math.min(rowsLeft, COMPARED_AT_ONCE)
      const rows = await index.listInRange(db, { inboxId, after, before, limit: rowsMax })
      if ((await compare(rows)) === 'page ends') return 'page ends'
      if (rows.length < rowsMax) before = after + 1
    }
    return 'all read'
  }

  /** @param numbers newest first */
  async function compareNumbers(numbers: readonly number[]): Promise<Progress> {
    const rest = numbers.filter((number) => number < before && number > range.after)
    while (rest.length > 0) {
      if (rowsLeft <= 0) return 'page ends'
      const some = rest.splice(0, Math.min(rowsLeft, COMPARED_AT_ONCE))
      if ((await compare(await index.listByNumbers(db, inboxId, some))) === 'page ends') return 'page ends'
      before = some.at(-1)!
    }
    return 'all read'
  }

  async function compare(rows: readonly index.SearchableRow[]): Promise<Progress> {
    const shown = rows.filter((row) => (row.hidden & hiddenMask) === 0 && isInTime(row, request))
    const needsAddresses = clauses.some(({ columns }) => columns.includes('addresses'))
    const bcc = needsAddresses ? await bccOf(db, shown) : new Map<string, KindAddress[]>()
    const matching = new Map<string, MessageText>()
    for (const row of shown) {
      const text = new MessageText({ ...row, bcc: bcc.get(row.id) ?? [] }, charsMax, foldedTexts)
      if (isMatch(text, clauses)) matching.set(row.id, text)
    }
    const matches = request.accept ? shown.filter(({ id }) => matching.has(id)) : []
    const addresses = await addressesOf(db, matches)
    for (const row of rows) {
      before = row.number
      rowsLeft -= 1
      const { id, number, thread_id, timestamp } = row
      const text = matching.get(id)
      if (!text) continue
      if (await isAccepted({ id, number, thread_id, timestamp, text, addresses: addresses.get(id) ?? [] }))
        found.push({ id, number })
      if (found.length === limit) return 'page ends'
    }
    await setImmediate()
    return 'all read'
  }

  async function isAccepted(match: Match): Promise<boolean> {
    if (!request.accept) return true
    const { isResult, rowsRead } = await request.accept(match)
    rowsLeft -= rowsRead
    return isResult
  }
}

type Progress = 'all read' | 'page ends'

/**
 * Returns the numbers between which the messages of the requested times are. Numbers are in the order of the commits, and
 * times nearly are: clocks of nodes differ, and a clock can be set back. So the range of times is extended by
 * limits.events.disorderMs, and ends at the first message after it. The time of this message may be wrong, so the range also
 * contains the newest messages with times before its end: all within disorderMs of the newest one. The same applies to the beginning.
 */
async function rangeOfTimes(
  db: Db,
  { inboxId, before, after }: Pick<SearchRequest, 'inboxId' | 'before' | 'after'>,
  { events: { disorderMs } }: Limits,
): Promise<{ readonly after: number; readonly before: number }> {
  const range = { after: 0, before: Number.MAX_SAFE_INTEGER }
  const tooLate = before === undefined ? undefined : await index.oldestAfter(db, inboxId, before + disorderMs)
  if (before !== undefined && tooLate) {
    const newest = await index.newestBefore(db, inboxId, before + disorderMs)
    const numbers = newest ? await numbersAt(newest.timestamp - disorderMs, newest.timestamp) : []
    if (numbers) range.before = Math.max(tooLate.number, ...numbers.map((number) => number + 1))
  }
  const tooEarly = after === undefined ? undefined : await index.newestBefore(db, inboxId, after - disorderMs)
  if (after !== undefined && tooEarly) {
    const oldest = await index.oldestAfter(db, inboxId, after - disorderMs)
    const numbers = oldest ? await numbersAt(oldest.timestamp, oldest.timestamp + disorderMs) : []
    if (numbers) range.after = Math.min(tooEarly.number, ...numbers.map((number) => number - 1))
  }
  return range

  /** @returns undefined when there are too many: then the range has no end there, and more is compared */
  async function numbersAt(from: number, through: number): Promise<number[] | undefined> {
    const numbers = await index.numbersAt(db, inboxId, { from, through, limit: NUMBERS_MAX + 1 })
    return numbers.length > NUMBERS_MAX ? undefined : numbers
  }
}

function isInTime({ timestamp }: index.SearchableRow, { before, after }: SearchRequest): boolean {
  return (before === undefined || timestamp < before) && (after === undefined || timestamp > after)
}

/** @param clauses folded */
export function isMatch(message: MessageText, clauses: readonly SearchClause[]): boolean {
  return clauses.some(({ columns, allOf }) =>
    allOf.every((text) => columns.some((column) => message.folded(column).includes(text))),
  )
}

/** Folds the texts, and omits empty ones and clauses without any. The subject is compared first: it is not compressed. */
export function foldClauses(anyOf: readonly SearchClause[]): SearchClause[] {
  return anyOf
    .map(({ columns, allOf }) => ({
      columns: SEARCH_COLUMNS.filter((column) => columns.includes(column)),
      allOf: allOf
        .slice(0, TEXTS_MAX)
        .map((text) => foldText(text.slice(0, TEXT_CHARS_MAX)))
        .filter((text) => text !== ''),
    }))
    .filter(({ columns, allOf }) => columns.length > 0 && allOf.length > 0)
}
