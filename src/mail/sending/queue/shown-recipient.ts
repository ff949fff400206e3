/**
 * A recipient as clients see it, in the queue and in the status of a message. A queued recipient under a lease is being
 * delivered: without this, a delivery that hangs would look like one that waits for its next attempt.
 */
import type { RecipientRow, RecipientState } from '../../../store/schema/sending-rows.ts'

export interface ShownRecipient<State extends RecipientState = RecipientState> extends ShownState<State> {
  readonly id: string
  readonly recipient: string
  /** The route that it was released to. */
  readonly route?: 'relay' | 'direct'
  /** Attempts since it was queued or last released. */
  readonly attempts: number
  /** The last reply of the remote server, or Martlet's own text. */
  readonly lastReply?: string
  readonly lastCode?: number
  readonly lastEnhancedCode?: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** A row with whether it was under a lease when it was read. */
type LeasedOrNot<State extends RecipientState> = RecipientRow & { readonly state: State; readonly is_leased: number }

export function showRecipient<State extends RecipientState>(
  row: LeasedOrNot<State>,
  now: number,
): ShownRecipient<State> {
  return {
    id: row.id,
    recipient: row.address,
    ...shownState(row, now),
    ...(row.route !== null && { route: row.route }),
    attempts: row.attempts,
    ...(row.last_reply !== null && { lastReply: row.last_reply }),
    ...(row.last_code !== null && { lastCode: row.last_code }),
    ...(row.last_enhanced_code !== null && { lastEnhancedCode: row.last_enhanced_code }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

interface ShownState<State extends RecipientState = RecipientState> {
  readonly state: State | 'delivering'
  /** Epoch ms; present while it is being delivered. */
  readonly deliveringSince?: number
  /** The server that the delivery talks to, as `Outcome.remote`; present once that takes `delivery.showServerAfterMs`. */
  readonly deliveringTo?: string
  /** Epoch ms, in the future; present while queued. A recipient that is due already has none. */
  readonly nextAttemptAt?: number
}

function shownState<State extends RecipientState>(row: LeasedOrNot<State>, now: number): ShownState<State> {
  const { state, is_leased, delivering_since, delivering_to, next_attempt_at } = row
  if (state !== 'queued') return { state }
  if (is_leased === 1) {
    return {
      state: 'delivering',
      ...(delivering_since !== null && { deliveringSince: delivering_since }),
      ...(delivering_to !== null && { deliveringTo: delivering_to }),
    }
  }
  return { state, ...(next_attempt_at > now && { nextAttemptAt: next_attempt_at }) }
}
