/** Limits of background jobs and interrupted work. Part of ../limits.ts. */
import { DAY, HOUR, type Limit, MINUTE, SECOND } from './limit.ts'

export const jobsLimits = {
  interruptionsMax: {
    default: 3,
    unit: 'count',
    description:
      'Interruptions in a row after which a recipient, webhook delivery or job is set aside. An interruption is an attempt that ends without an outcome, because the process died, hung or failed. After the first one, the work runs only while no other interrupted work runs.',
  },
  interruptedDelayMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description:
      'Time after the start of the process until it runs work that was interrupted more than once. If the process ends before this time at every start, something else ends it, and this work is not the cause.',
  },
  setAsideMs: {
    default: DAY,
    unit: 'milliseconds',
    description: 'Time until a job that was set aside runs again.',
  },
  pollMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description: 'Interval at which background jobs are polled when no commit signal arrives.',
  },
  firstSweepMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description:
      'Time from the start of the server to the first run of its sweeps. Those with a shorter interval run sooner.',
  },
  leaseMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    description: 'Lease of a claimed job. It is renewed while the job runs.',
  },
  retryFirstMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description: 'Wait before the first retry of a failed job. Each later wait is four times as long.',
  },
  retryMsMax: {
    default: 4 * HOUR,
    unit: 'milliseconds',
    description: 'Longest wait between two attempts of a failed job.',
  },
  concurrencyMax: { default: 4, unit: 'count', description: 'Background jobs that run at once.' },
  removalStepRows: {
    default: 4_000,
    unit: 'count',
    description:
      'Addresses and attachments that one statement deletes with their messages. More are deleted in several statements of one transaction, and other work runs in between.',
  },
  removalMessages: {
    default: 5,
    unit: 'count',
    description: 'Messages deleted in one transaction, when an inbox or thread is deleted.',
  },
  removalPauseMs: {
    default: 20,
    unit: 'milliseconds',
    description:
      'Pause after each transaction that deletes messages of a deleted inbox, so that other writers can run.',
  },
  removalChunkRows: {
    default: 200,
    unit: 'count',
    description: 'Rows deleted in one transaction by the sweeps of counts and idempotency keys.',
  },
} as const satisfies Record<string, Limit>
