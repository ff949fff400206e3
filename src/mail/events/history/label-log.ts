/** Lists the label changes of an inbox, as far back as the log goes: pages of its label events. */
import type { Limits } from '../../../config/limits.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import { requireInbox } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import {
  closePage,
  openPage,
  type Page,
  type PagePosition,
  type PageRequest,
  type PageWindow,
} from '../../access/paging/page-tokens.ts'
import { maySee } from '../feed/subscription-filter.ts'
import { toEvent } from '../log/event.ts'
import { permissionsToSee } from '../log/event-types.ts'
import { isMessageEvent, type LabelEvent } from '../log/message-events.ts'

export interface LabelLog {
  /**
   * Lists label events, newest first. Changes of messages that the actor may not see are omitted.
   *
   * @param inbox address or id
   * @throws not_found, missing_permission, invalid_page_token
   */
  list(actor: Actor, inbox: string, page: PageRequest): Promise<Page<LabelEvent>>
}

interface LabelLogNeeds {
  readonly store: Pick<Store, 'db' | 'epoch'>
  readonly limits: Limits
}

export function createLabelLog({ store, limits }: LabelLogNeeds): LabelLog {
  return {
    async list(actor, inboxRef, page) {
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const filter = { labelsOf: inbox.id }
      const window = openPage(page, filter, { default: limits.lists.pageDefault, max: limits.lists.pageMax })
      const { items, last } = await fill(actor, inbox.id, window)
      return closePage(items, window, filter, last)
    },
  }

  /** Reads rows in growing chunks until the page is full or the budget is spent: most events have other types. */
  async function fill(actor: Actor, inboxId: string, window: PageWindow) {
    const items: LabelEvent[] = []
    let last: PagePosition | undefined = window.after
    let scanned = 0
    for (let chunk = window.limit + 1; scanned < limits.lists.scanRowsMax; chunk *= 4) {
      const limit = Math.min(chunk, limits.lists.scanRowsMax - scanned)
      const after = last?.key
      const rows = await events.listOfInbox(store.db, inboxId, { after, ascending: window.ascending, limit })
      for (const row of rows) {
        const event = labelEventOf(actor, row)
        if (event && items.length === window.limit) return { items, last }
        if (event) items.push(event)
        last = { key: row.seq, id: row.event_id }
      }
      scanned += rows.length
      if (rows.length < limit) return { items, last: undefined }
    }
    return { items, last }
  }

  /** Returns undefined for an event of another type, or one that the actor may not receive. */
  function labelEventOf(actor: Actor, row: EventRow): LabelEvent | undefined {
    if (!row.type.startsWith('label.')) return undefined // its payload is not read
    const event = toEvent(row, store.epoch)
    if (!isMessageEvent(event, 'label.added', 'label.removed')) return undefined
    return maySee(actor, permissionsToSee(event.payload)) ? event : undefined
  }
}
