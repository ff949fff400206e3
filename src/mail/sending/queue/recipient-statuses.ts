/** Shows the state of each recipient of a sent message, with every attempt: no outcome of a message is hidden. */
import type { Store } from '../../../store/store.ts'
import * as submissions from '../../../store/tables/submissions-table.ts'
import { requireInbox } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import { requireMessage } from '../../messages/views/message-lookup.ts'
import { type ShownRecipient, showRecipient } from './shown-recipient.ts'

export interface RecipientStatus extends ShownRecipient {
  readonly history: readonly {
    /** Position in the history, from 1. */
    readonly position: number
    /** "queue": a manual change. */
    readonly target: string
    readonly outcome: string
    /** SMTP reply code and RFC 3463 enhanced code, if any. */
    readonly code?: number
    readonly enhancedCode?: string
    readonly reply?: string
    /** The server that replied, and the TLS version of the connection: see `Outcome`. */
    readonly remote?: string
    readonly tls?: string
    readonly startedAt: number
    readonly endedAt: number
  }[]
}

export interface RecipientStatuses {
  /** For a message that this inbox sent. @throws not_found, missing_permission */
  list(actor: Actor, inbox: string, message: string): Promise<readonly RecipientStatus[]>
}

export function createRecipientStatuses({
  store,
  clock,
}: {
  readonly store: Store
  readonly clock: () => number
}): RecipientStatuses {
  return {
    async list(actor, inboxRef, messageRef) {
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const message = await requireMessage(store.db, actor, inbox.id, messageRef)
      const recipients = await submissions.listRecipients(store.db, message.id, store.leaseNow())
      const history = await submissions.listHistory(
        store.db,
        recipients.map((row) => row.id),
      )
      const now = clock()
      return recipients.map((row) => ({
        ...showRecipient(row, now),
        history: history
          .filter((entry) => entry.recipient_id === row.id)
          .map((entry) => ({
            position: entry.position,
            target: entry.target,
            outcome: entry.outcome,
            ...(entry.code !== null && { code: entry.code }),
            ...(entry.enhanced_code !== null && { enhancedCode: entry.enhanced_code }),
            ...(entry.reply !== null && { reply: entry.reply }),
            ...(entry.remote !== null && { remote: entry.remote }),
            ...(entry.tls !== null && { tls: entry.tls }),
            startedAt: entry.started_at,
            endedAt: entry.ended_at,
          })),
      }))
    },
  }
}
