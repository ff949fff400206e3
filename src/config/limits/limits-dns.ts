/** Limits of DNS queries. Part of ../limits.ts. */
import { type Limit, SECOND } from './limit.ts'

export const dnsLimits = {
  tryMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time to wait for a response before a query is sent again.',
  },
  triesMax: { default: 2, unit: 'count', sentence: 'How often a query is sent to each resolver.' },
} as const satisfies Record<string, Limit>
