/** Limits of the database, blobs and disk. Part of ../limits.ts. */
import { DAY, HOUR, KIB, type Limit, MIB, MINUTE, SECOND } from './limit.ts'

export const storeLimits = {
  pollPauseMsMax: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    description: 'Pause of a poll loop after a failed poll: two poll intervals, but at most this long.',
  },
  clockSkewMsMax: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description:
      'Largest difference between the clocks of this node and PostgreSQL at the start. The order of messages and events of several nodes depends on it.',
  },
  groupMs: {
    default: 100,
    unit: 'milliseconds',
    description:
      'Time after which a group commit takes no more transactions, without the time for which it lets other work run. Batches that fail count apart: they may take store.transactionMs.',
  },
  turnMs: {
    default: 3,
    unit: 'milliseconds',
    description: 'Time after which a group commit lets other work run for one turn of the event loop.',
  },
  transactionGroupMax: { default: 100, unit: 'count', description: 'Transactions in one group commit.' },
  batchMembersMax: {
    default: 50,
    unit: 'count',
    description:
      'Transactions of one kind that run with the same statements: received messages, sent ones, ones that mail programs append, or outcomes of deliveries.',
  },
  batchBytesMax: {
    default: 4 * MIB,
    unit: 'bytes',
    description: 'Total size of what such transactions store, if there is more than one.',
  },
  transactionQueueMax: {
    default: 10_000,
    unit: 'count',
    description: 'Transactions that wait for the writer. Further ones fail as unavailable.',
  },
  transactionMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description: 'Time for the statements of one transaction.',
  },
  transactionRerunsMax: {
    default: 3,
    unit: 'count',
    description: 'How often a transaction is rerun after a conflict with another node before it fails as unavailable.',
  },
  ioRerunsMax: {
    default: 10,
    unit: 'count',
    description:
      'How often a transaction is rerun, in a commit of its own, after an I/O error before it fails as unavailable.',
  },
  failedCommitsMax: {
    default: 50,
    unit: 'count',
    description:
      'Consecutive failed commits after which mail and sends are refused until a commit succeeds. After a commit that failed because the disk is full, they are refused at once.',
  },
  failedCommitsMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    description: 'Total duration of consecutive failed commits with the same effect.',
  },
  readyCommitMs: {
    default: SECOND,
    unit: 'milliseconds',
    description:
      'Age up to which a successful commit proves to `/readyz` that the store works. After it, `/readyz` writes.',
  },
  lockWaitMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    description: 'PostgreSQL: time to wait for a row that another node has locked.',
  },
  groupLockWaitMs: {
    default: 10,
    unit: 'milliseconds',
    description:
      'The same for a transaction that shares a commit with earlier ones, because their rows stay locked while it waits. After this time it moves to the next commit.',
  },
  statementMs: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    description: 'Time for PostgreSQL to run one statement.',
  },
  connectMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description: 'Time to connect to PostgreSQL, and for a read to wait for a free connection.',
  },
  silenceMs: {
    default: 15 * SECOND,
    unit: 'milliseconds',
    description:
      'Time after which an unresponsive connection to PostgreSQL is closed, and after which PostgreSQL ends a session that is idle in a transaction.',
  },
  readersMax: {
    default: 10,
    unit: 'count',
    description: 'Connections to PostgreSQL for reads. One more connection writes, and one listens for notifications.',
  },
  retryMsMax: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    description: 'Longest wait between two attempts to reconnect to PostgreSQL.',
  },
  inlineBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    description: 'Largest message stored in the database. Larger ones are stored as blobs.',
  },
  diskFreeBytesMin: {
    default: 64 * MIB,
    unit: 'bytes',
    description: 'Free disk space below which no message is accepted, neither over SMTP nor from API clients.',
  },
  diskCheckMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    description: 'Interval at which free disk space is checked.',
  },
  blobSweepAgeMs: {
    default: DAY,
    unit: 'milliseconds',
    description: 'Age at which an unreferenced blob is deleted.',
  },
  sweepMs: {
    default: HOUR,
    unit: 'milliseconds',
    description:
      'Interval of the sweeps of unreferenced blobs, old events, counts, idempotency keys and webhook deliveries.',
  },
  inspectedBytesMax: {
    default: 128 * MIB,
    unit: 'bytes',
    description:
      'Largest SQLite database that `martlet check` reads, as a copy in memory, while no server runs. A running one is read in any size.',
  },
  freePagesMax: {
    default: 2_000,
    unit: 'count',
    description:
      'Free pages of 4 KiB that the SQLite file keeps for new rows. Further ones are given back to the file system.',
  },
  shrinkPages: {
    default: 200,
    unit: 'count',
    description: 'Free pages that one transaction gives back.',
  },
  shrinkPauseMs: {
    default: 100,
    unit: 'milliseconds',
    description: 'Pause between two such transactions.',
  },
  shrinkCheckMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description: 'Interval at which the free pages of the SQLite file are counted.',
  },
  checkpointPages: {
    default: 4_000,
    unit: 'count',
    description: "Pages in SQLite's write-ahead log at which a checkpoint runs.",
  },
  checkpointIdleMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description: 'Time without a checkpoint after which the thread that runs them ends.',
  },
} as const satisfies Record<string, Limit>
