/** Limits of streams of server-sent events. Part of ../limits.ts. */
import { type Limit, SECOND } from './limit.ts'

export const streamsLimits = {
  perKeyMax: {
    default: 1_000,
    unit: 'count',
    description: 'Open event streams (SSE) per API key on one node. Further ones are refused with 429.',
  },
  heartbeatMs: {
    default: 15 * SECOND,
    unit: 'milliseconds',
    description: 'Interval of heartbeat comments on an event stream, so that proxies do not close it.',
  },
  retryMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    description: 'Reconnection time that an event stream sends to its client (SSE `retry`).',
  },
} as const satisfies Record<string, Limit>
