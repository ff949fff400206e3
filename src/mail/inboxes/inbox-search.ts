/**
 * Finds inboxes by the words of their address and display name. A page examines a limited number of inboxes, so it can be
 * empty and have a next one.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../config/limits.ts'
import { normaliseAddress } from '../../formats/address/address.ts'
import { foldText } from '../../formats/search/search-signature.ts'
import { startWords } from '../../formats/search/word-starts.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import { isInScope, requireScope, type Scope } from '../access/access.ts'
import type { Actor, Within } from '../access/actor.ts'
import { closePage, openPage, type Page, type PagePosition, type PageRequest } from '../access/paging/page-tokens.ts'
import { parseSearchText } from '../access/search-text.ts'
import type { Inbox } from './inbox.ts'
import { showInbox } from './show-inbox.ts'

/**
 * Returns the inboxes in which each word of `q` is the start of a word in the address or the display name, newest first;
 * before all others the inbox whose address is `q`.
 *
 * @throws validation_error, not_found, missing_permission, forbidden
 */
export type SearchInboxes = (actor: Actor, within: Within, q: string, page: PageRequest) => Promise<Page<Inbox>>

interface InboxSearchNeeds {
  readonly store: Pick<Store, 'db'>
  readonly limits: Limits
}

/** Inboxes that one statement reads. */
const ROWS_AT_ONCE = 500
/** The position before the newest inbox. */
const START: PagePosition = { key: Number.MAX_SAFE_INTEGER, id: '' }

export function createInboxSearch({ store, limits }: InboxSearchNeeds): SearchInboxes {
  const { pageDefault, filteredPageMax, scanRowsMax } = limits.lists

  return async function searchInboxes(actor, within, q, request) {
    const { whole, words } = parseSearchText(q, limits)
    const scope = await requireScope(store.db, actor, 'inbox_read', within)
    const filter = { search: 'inboxes', ...scope, q }
    const window = openPage({ ...request, ascending: false }, filter, {
      ...{ default: pageDefault, max: filteredPageMax, isStrict: true },
    })
    const exact = await findExact(scope, whole)
    const ids = exact && !window.after ? [exact.id] : []
    let [after, rowsLeft] = [window.after ?? START, scanRowsMax]
    let isEnd = false
    while (ids.length < window.limit && rowsLeft > 0 && !isEnd) {
      const rows = await inboxes.listNames(store.db, scope, { after, ascending: false, limit: ROWS_AT_ONCE })
      isEnd = rows.length < ROWS_AT_ONCE
      for (const row of rows) {
        if (ids.length === window.limit) {
          isEnd = false
          break
        }
        if (row.id !== exact?.id && startWords(textOf(row), words)) ids.push(row.id)
        after = { key: row.created_at, id: row.id }
      }
      rowsLeft -= rows.length
      await setImmediate() // let other work run
    }
    const rows = new Map((await inboxes.listRows(store.db, ids)).map((row) => [row.id, row]))
    const found = ids.flatMap((id) => rows.get(id) ?? [])
    return closePage(found.map(showInbox), window, filter, isEnd ? undefined : after)
  }

  async function findExact(scope: Scope, text: string): Promise<InboxRow | undefined> {
    const address = normaliseAddress(text)
    const row = address === undefined ? undefined : await inboxes.getByAddress(store.db, address)
    return row && isInScope(scope, row) ? row : undefined
  }
}

function textOf({ address, display_name }: inboxes.InboxNames): string {
  return foldText(`${address} ${display_name ?? ''}`)
}
