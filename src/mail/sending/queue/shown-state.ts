/**
 * The state of a recipient as clients see it. A queued recipient under a lease is being delivered: without this, a
 * delivery that hangs would look like one that waits for its next attempt.
 */
import type { RecipientRow, RecipientState } from '../../../store/schema/sending-rows.ts'

export interface ShownState<State extends RecipientState = RecipientState> {
  readonly state: State | 'delivering'
  /** Epoch ms; present while it is being delivered. */
  readonly deliveringSince?: number
  /** The server that the delivery talks to, as `Outcome.remote`; present once that takes `delivery.showServerAfterMs`. */
  readonly deliveringTo?: string
  /** Epoch ms, in the future; present while queued. A recipient that is due already has none. */
  readonly nextAttemptAt?: number
}

export function shownState<State extends RecipientState>(
  row: RecipientRow & { readonly state: State },
  now: number,
): ShownState<State> {
  const { state, lease_until, delivering_since, delivering_to, next_attempt_at } = row
  if (state !== 'queued') return { state }
  if (lease_until !== null && lease_until > now) {
    return {
      state: 'delivering',
      ...(delivering_since !== null && { deliveringSince: delivering_since }),
      ...(delivering_to !== null && { deliveringTo: delivering_to }),
    }
  }
  return { state, ...(next_attempt_at > now && { nextAttemptAt: next_attempt_at }) }
}
