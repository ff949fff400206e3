/** Limits of DNS queries. Part of ../limits.ts. */
import { type Limit, SECOND } from './limit.ts'

export const dnsLimits = {
  tryMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description: 'Time to wait for a response before a query is sent again.',
  },
  triesMax: { default: 2, unit: 'count', description: 'How often a query is sent to each resolver.' },
} as const satisfies Record<string, Limit>
