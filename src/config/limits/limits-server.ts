/** Limits of the server as a whole. Part of ../limits.ts. */
import { type Limit, MINUTE, SECOND } from './limit.ts'

export const serverLimits = {
  usedAtFlushMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description: 'Interval at which the last-used times of API keys are written.',
  },
  shutdownGraceMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description: 'Time for running work to finish when the server stops.',
  },
} as const satisfies Record<string, Limit>
