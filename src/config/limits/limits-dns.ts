/** Limits of DNS queries. Part of ../limits.ts. */
import { type Limit, SECOND } from './limit.ts'

export const dnsLimits = {
  tryMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time to wait for the answer of a resolver before the query is sent again.',
  },
  triesMax: { default: 2, unit: 'count', sentence: 'Times that a query is sent to each resolver.' },
} as const satisfies Record<string, Limit>
