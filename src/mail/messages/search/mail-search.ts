/**
 * Searches the messages that an actor may see by their text, newest first (search.ts). The items are those of lists, with
 * the fragments that match.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Log } from '../../../log.ts'
import type { ThreadRow } from '../../../store/schema/message-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as messagesTable from '../../../store/tables/messages-table.ts'
import * as threadsTable from '../../../store/tables/threads-table.ts'
import { hiddenMaskFor, recheckAccess, requireInbox, requireScope } from '../../access/access.ts'
import type { Actor, Within } from '../../access/actor.ts'
import type { BodyMemory } from '../../access/body-memory.ts'
import type { Page, PagePosition, PageRequest } from '../../access/paging/page-tokens.ts'
import type { HiddenLabel } from '../../access/permissions.ts'
import { createReportDamage } from '../content/damaged-content.ts'
import { listFound, pageBounds } from '../mail-list.ts'
import type { ThreadItem } from '../threads/thread.ts'
import type { MessageItem } from '../views/message.ts'
import { showMessagesOf, showThreads } from '../views/message-views.ts'
import { type Match, searchMessages } from './search.ts'
import { type Highlights, parseQuery } from './search-query.ts'
import { createTextCache } from './text-cache.ts'
import { searchThreads } from './thread-search.ts'

export interface MailQuery {
  readonly q: string
  /** Epoch ms, exclusive. */
  readonly before?: number | undefined
  readonly after?: number | undefined
  /** Hidden classes to include, if the key may see them. */
  readonly include?: readonly HiddenLabel[] | undefined
}

export type Found<Item> = Item & { readonly highlights?: Highlights | undefined }

/** All throw not_found, missing_permission, validation_error and too_many_responses. */
export interface MailSearch {
  /** Newest first. A page can be empty and still have a next one. */
  messages(
    actor: Actor,
    inbox: string,
    query: MailQuery,
    page: PageRequest,
    memory: BodyMemory,
  ): Promise<Page<Found<MessageItem>>>
  /**
   * Threads with a message that is found, each once. In one inbox newest message first; in several, inbox after inbox. A
   * page can be empty and still have a next one.
   */
  threads(
    actor: Actor,
    within: Within,
    query: MailQuery,
    page: PageRequest,
    memory: BodyMemory,
  ): Promise<Page<Found<ThreadItem>>>
}

interface MailSearchNeeds {
  readonly store: Store
  readonly log: Log
  readonly limits: Limits
}

export function createMailSearch({ store, log, limits }: MailSearchNeeds): MailSearch {
  const foldedTexts = createTextCache(limits, createReportDamage(log))
  return {
    async messages(actor, inboxRef, { q, before, after, include = [] }, page, memory) {
      const query = parseQuery(q, limits)
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const hiddenMask = hiddenMaskFor(actor, include)
      const highlights = new Map<string, Highlights | undefined>()
      const numbers = new Map<string, number>()
      return listFound(page, limits, memory, {
        criteria: { search: 'messages', inboxId: inbox.id, q, before, after, hiddenMask },
        bounds: pageBounds(limits, true),
        async find({ limit, after: position }) {
          const { messages, nextNumber } = await searchMessages(
            { store, foldedTexts, log, limits },
            {
              ...{ inboxId: inbox.id, anyOf: query.anyOf, hiddenMask, before, after, limit },
              beforeNumber: position?.key,
              async accept(match) {
                highlights.set(match.id, query.highlight(match))
                return { isResult: true, rowsRead: 0 }
              },
            },
          )
          for (const { id, number } of messages) numbers.set(id, number)
          return { ids: messages.map(({ id }) => id), last: positionAt(nextNumber) }
        },
        positionOf: ({ id }: messagesTable.MessageItemRow) => positionAt(numbers.get(id)!)!,
        listByIds: (ids) => messagesTable.listItemsByIds(store.db, ids),
        recheck: () => recheckAccess(store, actor, [inbox.id]),
        async show(rows) {
          const items = await showMessagesOf(store.db, inbox, rows)
          return items.map((item) => ({ ...item, highlights: highlights.get(item.id) }))
        },
      })
    },

    async threads(actor, within, { q, before, after, include = [] }, page, memory) {
      const query = parseQuery(q, limits)
      const scope = await requireScope(store.db, actor, 'message_read', within)
      const hiddenMask = hiddenMaskFor(actor, include)
      const highlights = new Map<string, Highlights | undefined>()
      const positions = new Map<string, PagePosition>()
      return listFound(page, limits, memory, {
        criteria: { search: 'threads', ...scope, q, before, after, hiddenMask },
        bounds: pageBounds(limits, true),
        async find({ limit, after: from }) {
          const onFound = (match: Match) => highlights.set(match.thread_id, query.highlight(match))
          const search = { scope, anyOf: query.anyOf, hiddenMask, before, after, from, limit, onFound }
          const { threads, last } = await searchThreads({ store, foldedTexts, log, limits }, search)
          for (const { id, position } of threads) positions.set(id, position)
          return { ids: threads.map(({ id }) => id), last }
        },
        positionOf: ({ id }: ThreadRow) => positions.get(id)!,
        listByIds: (ids) => threadsTable.listByIds(store.db, ids),
        async recheck() {
          await recheckAccess(store, actor, [])
          await requireScope(store.db, actor, 'message_read', within)
        },
        async show(rows) {
          const present = rows.filter(({ deleting_at }) => deleting_at === null)
          const items = await showThreads(store.db, present, limits, hiddenMask)
          return items.map((item) => ({ ...item, highlights: highlights.get(item.id) }))
        },
      })
    },
  }
}

/** @param number undefined: there is no next page */
function positionAt(number: number | undefined): PagePosition | undefined {
  return number === undefined ? undefined : { key: number, id: '' }
}
