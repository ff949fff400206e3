/** The fields of a recipient that both the queue and the status of a message show: Martlet's own addition. */
import { Type } from 'typebox'
import type { ShownRecipient } from '../../../../../mail/sending/queue/shown-recipient.ts'
import { optionalTime, Time, time } from './shape-wire.ts'

/** All but `recipient_id`, `recipient`, `state` and `route`, which each list describes itself. */
export const recipientProperties = {
  attempts: Type.Integer({ description: 'Attempts since the recipient was queued or last released.' }),
  last_code: Type.Optional(Type.Integer({ description: 'SMTP reply code.' })),
  last_enhanced_code: Type.Optional(Type.String()),
  last_reply: Type.Optional(
    Type.String({ description: 'Last reply of the remote server, or an explanation by Martlet.' }),
  ),
  delivering_since: Type.Optional(Time),
  delivering_to: Type.Optional(
    Type.String({ description: 'The server that a delivery talks to, as name [address]:port, if that takes long.' }),
  ),
  next_attempt_at: Type.Optional(Time),
  created_at: Time,
  updated_at: Time,
}

export function recipientFields<State extends ShownRecipient['state']>(
  view: ShownRecipient & { readonly state: State },
) {
  return {
    recipient_id: view.id,
    recipient: view.recipient,
    state: view.state,
    route: view.route,
    attempts: view.attempts,
    last_code: view.lastCode,
    last_enhanced_code: view.lastEnhancedCode,
    last_reply: view.lastReply,
    delivering_since: optionalTime(view.deliveringSince),
    delivering_to: view.deliveringTo,
    next_attempt_at: optionalTime(view.nextAttemptAt),
    created_at: time(view.createdAt),
    updated_at: time(view.updatedAt),
  }
}
