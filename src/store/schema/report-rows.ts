/** Rows from which reports are made: hourly counts of events, and snapshots of what is stored. */

/** An hourly count: one row per scope, hour and metric. Made from the event log (mail/reports/fold-events.ts). */
export interface RollupRow {
  /** The id of an organization, pod or inbox. */
  scope_id: string
  /** Start of the hour, epoch ms. */
  hour: number
  /** A type of event, or `recipients:` and a type: the recipients of these events. */
  metric: string
  count: number
}

/** What a scope contained at one time. Written only if it differs from the scope's last one. */
export interface UsageSnapshotRow {
  /** The id of an organization, pod or inbox. */
  scope_id: string
  at: number
  storage_bytes: number
  message_count: number
  thread_count: number
  /** 0 for an inbox, as the next two. */
  inbox_count: number
  domain_count: number
  /** 0 for a pod. */
  pod_count: number
}
