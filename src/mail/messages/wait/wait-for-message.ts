/**
 * Waits for a message: the first one in an inbox that matches a filter, because it exists already, arrives, or gets
 * labels that make it match. first-match.ts searches; long-poll.ts ensures that nothing is missed between search and
 * wait.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import { hasPermission, requireInbox } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import type { BodyMemory } from '../../access/body-memory.ts'
import type { Feed } from '../../events/feed/feed.ts'
import { queryOrWait, type RequestWait } from '../../events/feed/long-poll.ts'
import { formatCursor } from '../../events/log/cursor.ts'
import { endOf, parsePosition } from '../../events/log/log-position.ts'
import { checkFilterValues } from '../mail-list.ts'
import { criteriaOf } from '../messages.ts'
import type { Message, MessageFilter } from '../views/message.ts'
import { createFirstMatch, typesFor } from './first-match.ts'
import { formatWaitCursor, parseWaitCursor, type WaitPosition } from './wait-cursor.ts'

export interface WaitForMessage {
  /**
   * @param inbox address or id
   * @param filter without labels: received messages
   * @param after a time (epoch ms, exclusive), or the cursor of a response or of an event; undefined: the whole inbox
   * @returns without `message` when the time is over, although the search may not have reached the end; `cursor` is where the next call continues, in any case
   * @param memory not used while it waits
   * @throws not_found, missing_permission, validation_error, cursor_expired, too_many_responses; unknown_api_key when
   *   revoked meanwhile
   */
  first(
    actor: Actor,
    inbox: string,
    filter: Omit<MessageFilter, 'before' | 'after'>,
    after: number | string | undefined,
    wait: RequestWait,
    memory: BodyMemory,
  ): Promise<{ readonly message?: Message; readonly cursor: string }>
}

interface WaitForMessageNeeds {
  readonly store: Store
  readonly feed: Feed
  readonly limits: Limits
}

/** The default filter when no label is named: it excludes what the inbox itself sends. */
const RECEIVED = ['received']

export function createWaitForMessage({ store, feed, limits }: WaitForMessageNeeds): WaitForMessage {
  return {
    async first(actor, inboxRef, filter, after, wait, memory) {
      checkFilterValues(filter, limits)
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const start = await startOf(inbox.id, after)
      const labels = filter.labels?.length ? filter.labels : RECEIVED
      const criteria = criteriaOf(actor, inbox.id, { ...filter, labels, after: start.since })
      const waitsUntilMs = performance.now() + wait.waitMs
      const isOver = () => wait.disconnected.aborted || wait.draining.aborted
      const match = createFirstMatch({ store, limits, actor, criteria, start, memory, waitsUntilMs, isOver })

      const ending = hasPermission(actor, 'inbox_read') ? ['inbox.deleted'] : []
      const eventFilter = { inboxIds: [inbox.id], eventTypes: [...typesFor(actor), ...ending] }
      const query = async () => {
        await requireInbox(store.db, actor, 'message_read', inbox.id) // it may have been deleted
        return match.search()
      }
      const found = await queryOrWait(actor, eventFilter, wait, query, { feed, store })
      return { ...found, cursor: formatWaitCursor(match.position()) }
    },
  }

  async function startOf(inboxId: string, after: number | string | undefined): Promise<WaitPosition> {
    if (typeof after === 'string') {
      const logRow = await events.requireLog(store.db)
      const given = parseWaitCursor(after)
      const position = await parsePosition(store, given.cursor, logRow)
      return { ...given, seq: position.seq, cursor: formatCursor(store.epoch, position) }
    }
    const { newest, ...logRow } = await events.requireLogOfInbox(store.db, inboxId)
    const end = endOf(logRow)
    return { seq: end.seq, cursor: formatCursor(store.epoch, end), listing: 'start', newest: newest ?? 0, since: after }
  }
}
