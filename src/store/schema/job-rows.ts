/** Rows of background jobs. */

/** Background work that survives a restart, for example the removal of an inbox. */
export interface JobRow {
  id: string
  kind: string
  /** Unique per kind: a second job of the same kind and key is merged into the first. */
  key: string
  /** JSON. */
  payload: string
  run_at: number
  /** It is set aside until then, also if it is enqueued again. */
  not_before: number | null
  attempts: number
  lease_owner: string | null
  lease_until: number | null
  /** Claims in a row that ended without an outcome (docs/adr/0022). */
  interruptions: number
  last_error: string | null
  created_at: number
}

/** The only row; it exists while outbound mail and webhooks are paused. */
export interface OutboundPauseRow {
  id: 1
  paused_at: number
}
