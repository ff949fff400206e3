/** The delivery status of a sent message per recipient: Martlet's own addition, in this dialect's style. */
import { Type } from 'typebox'
import type { RecipientStatus } from '../../../../../mail/sending/queue/recipient-statuses.ts'
import { recipientFields, recipientProperties } from './recipient-wire.ts'
import { named, Time, time, type Wire } from './shape-wire.ts'

const HistoryEntry = named('DeliveryAttempt', {
  attempt: Type.Integer({ description: 'Position in the history, from 1.' }),
  target: Type.String({ description: 'Target of the delivery; `queue`: a change by an API call.' }),
  outcome: Type.String(),
  code: Type.Optional(Type.Integer({ description: 'SMTP reply code.' })),
  enhanced_code: Type.Optional(Type.String()),
  reply: Type.Optional(Type.String()),
  remote: Type.Optional(Type.String({ description: 'The server that responded, as name [address]:port.' })),
  tls: Type.Optional(Type.String({ description: 'TLS version; "(unverified)": the certificate was not verified.' })),
  started_at: Time,
  ended_at: Time,
})

const RecipientStatusShape = named('RecipientStatus', {
  recipient_id: Type.String({ description: 'Id of the recipient in the queue.' }),
  recipient: Type.String(),
  state: Type.Enum(['queued', 'delivering', 'delivered', 'held', 'bounced', 'rejected', 'cancelled']),
  route: Type.Optional(Type.Enum(['relay', 'direct'], { description: 'Route that was chosen at the release.' })),
  ...recipientProperties,
  history: Type.Array(HistoryEntry),
})

export const RecipientStatusList = named('ListDeliveriesResponse', {
  count: Type.Integer(),
  deliveries: Type.Array(RecipientStatusShape),
})

export function recipientStatusList(recipients: readonly RecipientStatus[]): Wire<typeof RecipientStatusList> {
  return { count: recipients.length, deliveries: recipients.map(recipientStatus) }
}

function recipientStatus(view: RecipientStatus): Wire<typeof RecipientStatusShape> {
  return {
    ...recipientFields(view),
    history: view.history.map((entry) => ({
      attempt: entry.position,
      target: entry.target,
      outcome: entry.outcome,
      code: entry.code,
      enhanced_code: entry.enhancedCode,
      reply: entry.reply,
      remote: entry.remote,
      tls: entry.tls,
      started_at: time(entry.startedAt),
      ended_at: time(entry.endedAt),
    })),
  }
}
