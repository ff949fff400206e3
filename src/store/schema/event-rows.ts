/** Rows of the event log and of its durable consumers. Rows only; mail/events decides what they mean. */

/**
 * Who receives an event. `public`: subscribers without a list of types (except events of hidden classes), and those
 * that list the type. `optional`: only subscribers that list the type. `internal`: only the nodes of this program.
 */
export type Visibility = 'public' | 'optional' | 'internal'

export interface EventRow {
  seq: number
  event_id: string
  at: number
  organization_id: string
  pod_id: string | null
  inbox_id: string | null
  type: string
  visibility: Visibility
  actor: string
  message_id: string | null
  /** JSON object. */
  payload: string
}

/** A durable consumer of the event log and its cursor. */
export interface EventConsumerRow {
  name: string
  cursor_seq: number
}

/** The only row of this table: the identity of the log and its last number. */
export interface EventLogRow {
  id: number
  /** A random text, created with the log. It shows whether a cursor belongs to another log. */
  epoch: string
  last_seq: number
  /** The id of the event with that number; null in a log without events. */
  last_event_id: string | null
  /** The highest number that retention has removed, 0 at first. A reader with an earlier cursor would miss events. */
  floor_seq: number
  /** The id of the event that had that number; null when none was removed. */
  floor_event_id: string | null
}
