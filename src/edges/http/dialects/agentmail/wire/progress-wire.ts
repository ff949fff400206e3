/** When and where a recipient is being delivered, or will be: Martlet's own addition to the lists of recipients. */
import { Type } from 'typebox'
import type { ShownState } from '../../../../../mail/sending/queue/shown-state.ts'
import { optionalTime, Time } from './shape-wire.ts'

export const progressProperties = {
  delivering_since: Type.Optional(Time),
  delivering_to: Type.Optional(
    Type.String({ description: 'The server that a delivery talks to, as name [address]:port, if that takes long.' }),
  ),
  next_attempt_at: Type.Optional(Time),
}

export function progress({ deliveringSince, deliveringTo, nextAttemptAt }: ShownState) {
  return {
    delivering_since: optionalTime(deliveringSince),
    delivering_to: deliveringTo,
    next_attempt_at: optionalTime(nextAttemptAt),
  }
}
