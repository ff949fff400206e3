/** Limits of the server as a whole. Part of ../limits.ts. */
import { type Limit, MINUTE, SECOND } from './limit.ts'

export const serverLimits = {
  backlogMax: {
    default: 4_096,
    unit: 'count',
    description:
      'Connections of one port that the system keeps until the server accepts them. Linux keeps at most net.core.somaxconn.',
  },
  acceptMs: {
    default: 20,
    unit: 'milliseconds',
    description:
      'Time for which requests, messages and transactions wait while new connections keep arriving. Then they continue for one turn of the event loop.',
  },
  workMs: {
    default: 5,
    unit: 'milliseconds',
    description: 'Time in one turn of the event loop in which requests and messages begin. Further ones begin later.',
  },
  usedAtFlushMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description: 'Interval at which the last-used times of API keys are written.',
  },
  shutdownGraceMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description: 'Time for running work to finish when the server stops, for all of its parts together.',
  },
} as const satisfies Record<string, Limit>
