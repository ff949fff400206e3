/** Limits of background jobs and interrupted work. Part of ../limits.ts. */
import { DAY, type Limit, SECOND } from './limit.ts'

export const jobsLimits = {
  interruptionsMax: {
    default: 3,
    unit: 'count',
    sentence:
      'Consecutive attempts of one recipient, webhook delivery or job that end without an outcome because the process died, hung or failed; then the work is set aside. After the first of these attempts, it runs only while no other interrupted work runs.',
  },
  setAsideMs: {
    default: DAY,
    unit: 'milliseconds',
    sentence: 'Time until a job that was set aside runs again.',
  },
  pollMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    sentence: 'Interval at which background jobs are polled when no commit signal arrives.',
  },
  concurrencyMax: { default: 4, unit: 'count', sentence: 'Background jobs that run at once.' },
  removalChunkRows: {
    default: 200,
    unit: 'count',
    sentence: 'Messages deleted in one transaction when an inbox is deleted.',
  },
} as const satisfies Record<string, Limit>
