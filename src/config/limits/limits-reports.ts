/** Limits of metrics: what a query may ask for, and how long counts are kept. Part of ../limits.ts. */
import { DAY, HOUR, type Limit, MINUTE, SECOND } from './limit.ts'

export const reportsLimits = {
  defaultRangeMs: {
    default: DAY,
    unit: 'milliseconds',
    description: 'Time range of a query for metrics without `start`.',
  },
  startAgeMsMax: {
    default: 90 * DAY,
    unit: 'milliseconds',
    description: 'How far back a query for metrics may start.',
  },
  periodMsMin: {
    default: SECOND,
    unit: 'milliseconds',
    description: 'Shortest `period` of a query for events and usage.',
  },
  ratesPeriodMsMin: { default: MINUTE, unit: 'milliseconds', description: 'Shortest `period` of a query for rates.' },
  periodMsMax: { default: DAY, unit: 'milliseconds', description: 'Longest `period` of a query for metrics.' },
  windowMsMax: { default: 30 * DAY, unit: 'milliseconds', description: 'Longest `window` of a query for rates.' },
  bucketsMax: { default: 1_000, unit: 'count', description: 'Most periods in the time range of a query for metrics.' },
  pointsMax: {
    default: 1_000,
    unit: 'count',
    description: 'Most single events per type that a query for metrics without `period` returns.',
  },
  scanRowsMax: {
    default: 50_000,
    unit: 'count',
    description: 'Events of the log that one query for metrics may read. Hourly counts have no such limit.',
  },
  scanChunkRows: {
    default: 1_000,
    unit: 'count',
    description: 'Events that a query for metrics reads before other work runs on the event loop.',
  },
  foldMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description: 'How often new events are added to the hourly counts. Queries also count the events in between.',
  },
  foldRows: {
    default: 500,
    unit: 'count',
    description: 'Events that are added to the hourly counts in one transaction.',
  },
  uncountedRowsMax: {
    default: 20_000,
    unit: 'count',
    description: 'Events after the hourly counts that a query for metrics looks at.',
  },
  rollupRetentionMs: {
    default: 121 * DAY,
    unit: 'milliseconds',
    description: 'Age at which hourly counts are deleted. A query for rates may need them `window` before its start.',
  },
  snapshotMs: { default: HOUR, unit: 'milliseconds', description: 'How often snapshots of usage are taken.' },
  snapshotCheckMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    description: 'How often it is checked whether snapshots of usage are due.',
  },
  snapshotRows: {
    default: 200,
    unit: 'count',
    description: 'Inboxes or pods whose usage is compared with their last snapshot in one transaction.',
  },
  liveInboxesMax: {
    default: 5_000,
    unit: 'count',
    description:
      'Inboxes whose counters a query for usage adds up. For a larger organization or pod, the newest value is that of the last snapshot.',
  },
} as const satisfies Record<string, Limit>
