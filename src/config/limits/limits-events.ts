/** Limits of the event log, its subscribers and its retention. Part of ../limits.ts. */
import { DAY, type Limit, MIB, MINUTE, SECOND } from './limit.ts'

export const eventsLimits = {
  backlogBytesMax: {
    default: 64 * MIB,
    unit: 'bytes',
    description:
      'Memory for unsent data of all WebSockets and event streams of one node. Above this, the slowest connections are closed.',
  },
  turnBytesMax: {
    default: MIB,
    unit: 'bytes',
    description: 'Bytes of events that are written to subscribers before other work runs on the event loop.',
  },
  turnOffersMax: {
    default: 2_000,
    unit: 'count',
    description: 'Events times subscribers that are distributed before other work runs; at least one event.',
  },
  turnWritesMax: {
    default: 50,
    unit: 'count',
    description: 'Events that are written to subscribers before other work runs; each is a system call.',
  },
  renderRetryMsMax: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    description: 'Longest wait between two attempts to render an event for a subscriber while the database fails.',
  },
  subscriptionIdsMax: {
    default: 1_000,
    unit: 'count',
    description: 'Inboxes in one subscription; the same limit applies to pods.',
  },
  subscriptionPartsMax: {
    default: 20,
    unit: 'count',
    description: 'Requests that add up to one subscription, where a service has such.',
  },
  pollMs: {
    default: SECOND,
    unit: 'milliseconds',
    description:
      'Interval at which the event log is polled when no commit signal arrives, or nobody subscribes to events.',
  },
  batchMax: { default: 500, unit: 'count', description: 'Events read from the log in one batch.' },
  backfillBatchMax: {
    default: 50,
    unit: 'count',
    description: 'Past events read in one batch for a subscriber that catches up.',
  },
  pageDefault: { default: 50, unit: 'count', description: 'Events per page when the client gives no limit.' },
  pageMax: { default: 500, unit: 'count', description: 'Maximum events per page.' },
  pageBytesMax: {
    default: 4 * MIB,
    unit: 'bytes',
    description: 'Total size of the events of a page. The first event is always included, whatever its size.',
  },
  renderBatchMax: {
    default: 50,
    unit: 'count',
    description: 'Events of a page whose messages are read together, before other work runs on the event loop.',
  },
  renderBatchBytesMax: {
    default: MIB,
    unit: 'bytes',
    description: 'Estimated size of the events of a page that are rendered together. A single one may be larger.',
  },
  searchPauseMs: {
    default: 20,
    unit: 'milliseconds',
    description:
      'Pause of a waiting request each time it has read `limits.lists.scanRowsMax` rows of which none matches, and of a count for a replay each time it has read so many, which takes some milliseconds.',
  },
  waitMsMax: {
    default: 60 * SECOND,
    unit: 'milliseconds',
    description: 'Longest time for which a request may wait for the first event.',
  },
  disorderMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    description:
      'How far the times of events may deviate from the order of the log. A list by time reads that much further.',
  },
  subjectsCachedMax: {
    default: 64,
    unit: 'count',
    description: 'Messages of events cached in memory for other subscribers.',
  },
  subjectsCachedBytesMax: {
    default: 16 * MIB,
    unit: 'bytes',
    description: 'Total size of the bodies of the cached messages of events. A larger message is not cached.',
  },
  jsonCachedMax: {
    default: 256,
    unit: 'count',
    description: 'Rendered events cached in memory for other connections.',
  },
  jsonCachedBytesMax: { default: 8 * MIB, unit: 'bytes', description: 'Total size of the cached rendered events.' },
  retentionMs: {
    default: 30 * DAY,
    unit: 'milliseconds',
    description: 'Age at which events are deleted from the log.',
  },
  labelRetentionMs: {
    default: 90 * DAY,
    unit: 'milliseconds',
    description: 'Age at which label events are deleted from the log.',
  },
  sweepRows: { default: 100, unit: 'count', description: 'Old events deleted in one transaction.' },
  sweepPauseMs: {
    default: 5,
    unit: 'milliseconds',
    description: 'Pause after each transaction of an event sweep, so that other writers can run.',
  },
} as const satisfies Record<string, Limit>
