/** Events as subscribers receive them. */
import type { EventRow } from '../../../store/schema/event-rows.ts'
import { formatCursor } from './cursor.ts'

export interface Event {
  readonly seq: number
  /** Opaque position in the log: a subscriber has not received the events after it. */
  readonly cursor: string
  readonly eventId: string
  /** Epoch ms. */
  readonly at: number
  readonly type: string
  readonly organizationId: string
  readonly podId?: string
  readonly inboxId?: string
  readonly messageId?: string
  /** Its shape depends on `type`: message-events.ts and resource-events.ts narrow it. */
  readonly payload: Readonly<Record<string, unknown>>
}

/** Estimates the memory of an event: a parsed payload takes about twice as much as its text. */
export function memoryOf(row: EventRow): number {
  return 2 * row.payload.length + 1_024
}

/** @param epoch the epoch of the log that contains the row */
export function toEvent(row: EventRow, epoch: string): Event {
  return {
    seq: row.seq,
    cursor: formatCursor(epoch, { seq: row.seq, eventId: row.event_id }),
    eventId: row.event_id,
    at: row.at,
    type: row.type,
    organizationId: row.organization_id,
    ...(row.pod_id !== null && { podId: row.pod_id }),
    ...(row.inbox_id !== null && { inboxId: row.inbox_id }),
    ...(row.message_id !== null && { messageId: row.message_id }),
    payload: JSON.parse(row.payload) as Event['payload'],
  }
}
