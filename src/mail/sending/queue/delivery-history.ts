/** Shows the state of each recipient of a sent message, with every attempt: no outcome of a message is hidden. */
import type { Store } from '../../../store/store.ts'
import * as table from '../../../store/tables/submissions-table.ts'
import { requireInbox } from '../../access/access.ts'
import { requireMessage } from '../../messages/views/message-lookup.ts'
import type { Deliveries } from '../compose/outgoing.ts'
import { shownState } from './shown-state.ts'

export function createDeliveries({
  store,
  clock,
}: {
  readonly store: Store
  readonly clock: () => number
}): Deliveries {
  return {
    async list(actor, inboxRef, messageRef) {
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const message = await requireMessage(store.db, actor, inbox.id, messageRef)
      const recipients = await table.listRecipients(store.db, message.id)
      const attempts = await table.listDeliveries(
        store.db,
        recipients.map((row) => row.id),
      )
      const now = clock()
      return recipients.map((row) => ({
        id: row.id,
        recipient: row.address,
        ...shownState(row, now),
        attempts: row.attempts,
        ...(row.route !== null && { route: row.route }),
        ...(row.last_reply !== null && { lastReply: row.last_reply }),
        ...(row.last_code !== null && { lastCode: row.last_code }),
        ...(row.last_enhanced_code !== null && { lastEnhancedCode: row.last_enhanced_code }),
        history: attempts
          .filter((attempt) => attempt.recipient_id === row.id)
          .map((attempt) => ({
            attempt: attempt.attempt,
            target: attempt.target,
            outcome: attempt.outcome,
            ...(attempt.code !== null && { code: attempt.code }),
            ...(attempt.enhanced_code !== null && { enhancedCode: attempt.enhanced_code }),
            ...(attempt.reply !== null && { reply: attempt.reply }),
            ...(attempt.remote !== null && { remote: attempt.remote }),
            ...(attempt.tls !== null && { tls: attempt.tls }),
            startedAt: attempt.started_at,
            endedAt: attempt.ended_at,
          })),
        createdAt: row.created_at,
        updatedAt: row.updated_at,
      }))
    },
  }
}
