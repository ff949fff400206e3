/**
 * Searches threads in one or many inboxes: inbox after inbox, newest inbox first; within an inbox message after message
 * (search.ts). A thread is found at its newest message that matches and may be seen, and only there:
 *
 *   a match → another match of its thread on this page? skip → one on an earlier page? skip → the thread is found
 *
 * A position is an inbox, the number at which the page ended there, and the number of the inbox's newest message when its
 * first page began: messages that arrive between pages were on none of them.
 *
 * The inboxes and messages of one page are limited. The check of earlier pages counts too; a page ends after one that was
 * long, so it examines at most the messages of one thread more.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { BLOCK_TEXTS } from '../../../formats/search/search-block.ts'
import type { Log } from '../../../log.ts'
import type { Store } from '../../../store/store.ts'
import { bccOf } from '../../../store/tables/addresses-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as index from '../../../store/tables/search-index-table.ts'
import { isInScope, type Scope } from '../../access/access.ts'
import type { PagePosition } from '../../access/paging/page-tokens.ts'
import { MessageText } from './message-text.ts'
import { foldClauses, isMatch, type Match, type SearchClause, searchMessages } from './search.ts'
import type { FoldedTexts } from './text-cache.ts'

export interface ThreadSearch {
  readonly scope: Scope
  readonly anyOf: readonly SearchClause[]
  readonly hiddenMask: number
  /** Epoch ms, exclusive. */
  readonly before?: number | undefined
  readonly after?: number | undefined
  readonly from?: PagePosition | undefined
  readonly limit: number
  /** Called with the match of each thread that is found. Its texts are large: keep only what is shown. */
  readonly onFound: (match: Match) => void
}

export interface FoundThreads {
  /** In their order; `position` is where a page continues after the thread. */
  readonly threads: readonly { readonly id: string; readonly position: PagePosition }[]
  /** undefined: this is the last page. */
  readonly last: PagePosition | undefined
}

interface ThreadSearchNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly foldedTexts: FoldedTexts
  readonly log: Log
  readonly limits: Limits
}

/** An inbox, and the numbers of its messages that are left to search: those below `beforeNumber`. */
interface Place {
  readonly inbox: Pick<inboxes.InboxWithNewest, 'id' | 'created_at' | 'message_count'>
  readonly beforeNumber: number
  readonly newest: number
}

/** Messages of a thread that are compared at once. */
const COMPARED_AT_ONCE = 50

/** @throws invalid_page_token */
export async function searchThreads(needs: ThreadSearchNeeds, search: ThreadSearch): Promise<FoundThreads> {
  const { store, limits } = needs
  const isOneInbox = search.scope.inboxId !== undefined
  let rowsLeft = isOneInbox ? limits.search.pageRowsMax : limits.search.scopeRowsMax
  const { places, hasMore } = await placesOf(needs, search)
  const found: FoundThreads['threads'][number][] = []
  for (const [at, place] of places.entries()) {
    const page = await searchPlace(place)
    rowsLeft = page.rowsLeft
    const isLast = at === places.length - 1
    if (page.nextNumber !== undefined) return { threads: found, last: positionAt(place, page.nextNumber) }
    if (isLast) return { threads: found, last: hasMore ? positionAt(place, 0) : undefined }
    if (found.length === search.limit || rowsLeft <= 0) return { threads: found, last: positionAt(place, 0) }
  }
  return { threads: found, last: undefined }

  async function searchPlace(place: Place) {
    const { anyOf, hiddenMask, before, after } = search
    /** Threads with a match in this inbox: found on this page, or on an earlier one. */
    const known = new Set<string>()
    return searchMessages(needs, {
      ...{ inboxId: place.inbox.id, anyOf, hiddenMask, before, after },
      beforeNumber: place.beforeNumber,
      isSmall: place.inbox.message_count < BLOCK_TEXTS,
      limit: search.limit - found.length,
      rowsMax: rowsLeft,
      async accept(match) {
        if (known.has(match.thread_id)) return { isResult: false, rowsRead: 0 }
        const { isFound, rowsRead } = await wasFoundBefore(place, match)
        known.add(match.thread_id)
        if (!isFound) {
          found.push({ id: match.thread_id, position: positionAt(place, match.number) })
          search.onFound(match)
        }
        return { isResult: !isFound, rowsRead }
      },
    })
  }

  /** Whether an earlier page has found the thread: it did if one of its messages that were examined there matches. */
  async function wasFoundBefore(place: Place, match: Match): Promise<{ isFound: boolean; rowsRead: number }> {
    const charsMax = limits.parsing.searchTextCharsMax
    let rowsRead = 0
    let after: PagePosition | undefined
    const clauses = foldClauses(search.anyOf)
    const numbers = { from: place.beforeNumber, through: place.newest }
    const part = { threadId: match.thread_id, newerThan: match.timestamp - limits.events.disorderMs, ...numbers }
    while (numbers.through >= numbers.from) {
      const keyset = { limit: COMPARED_AT_ONCE, ascending: false, after }
      const rows = await index.listInThread(store.db, place.inbox.id, part, keyset)
      const shown = rows.filter((row) => (row.hidden & search.hiddenMask) === 0 && isInTime(row))
      const bcc = await bccOf(store.db, shown)
      rowsRead += rows.length
      const isFound = shown.some((row) =>
        isMatch(new MessageText({ ...row, bcc: bcc.get(row.id) ?? [] }, charsMax, needs.foldedTexts), clauses),
      )
      if (isFound || rows.length < COMPARED_AT_ONCE) return { isFound, rowsRead }
      const last = rows.at(-1)!
      after = { key: last.timestamp, id: last.id }
    }
    return { isFound: false, rowsRead }
  }

  function isInTime({ timestamp }: index.SearchableRow): boolean {
    const { before = Number.POSITIVE_INFINITY, after = Number.NEGATIVE_INFINITY } = search
    return timestamp < before && timestamp > after
  }
}

/** Returns the inboxes of a page with mail that is left to search, and whether the scope has more inboxes. */
async function placesOf(
  { store, limits }: ThreadSearchNeeds,
  { scope, from }: ThreadSearch,
): Promise<{ places: Place[]; hasMore: boolean }> {
  const start = from && parsePosition(from)
  const limit = limits.search.scopeInboxesMax
  const after = start && { key: start.inbox.created_at, id: start.inbox.id }
  const isDone = start !== undefined && scope.inboxId !== undefined
  const rows = isDone ? [] : await inboxes.listNewest(store.db, scope, { limit, ascending: false, after })
  const [row] = start ? await inboxes.listRows(store.db, [start.inbox.id]) : []
  const current = row && isInScope(scope, row) ? row : undefined // a caller can write a token itself
  const places: Place[] = rows.flatMap(({ newest, ...inbox }) =>
    newest === null ? [] : [{ inbox, newest, beforeNumber: newest + 1 }],
  )
  if (start && current) places.unshift({ ...start, inbox: current })
  const hasMore = rows.length === limit
  const end = rows.at(-1)
  // The last inboxes may be empty: the page then ends after them.
  if (hasMore && end && places.at(-1)?.inbox.id !== end.id) places.push({ inbox: end, newest: 0, beforeNumber: 1 })
  return { places, hasMore }
}

function positionAt({ inbox, newest }: Place, beforeNumber: number): PagePosition {
  return { key: beforeNumber, id: `${inbox.created_at} ${newest} ${inbox.id}` }
}

function parsePosition({ key, id }: PagePosition): Place {
  const [, createdAt, newest, inboxId] = /^(\d{1,15}) (\d{1,15}) ([\w-]{1,64})$/.exec(id) ?? []
  if (inboxId === undefined) throw new MailError('invalid_page_token', {})
  const inbox = { id: inboxId, created_at: Number(createdAt), message_count: Number.MAX_SAFE_INTEGER }
  return { inbox, newest: Number(newest), beforeNumber: key }
}
