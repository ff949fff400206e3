/** Limits of DNS queries. Part of ../limits.ts. */
import { type Limit, SECOND } from './limit.ts'

export const dnsLimits = {
  tryMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description: 'Time to wait for a response before a query is sent again.',
  },
  zoneTryMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    description:
      "Time to wait for the servers of a domain's own zone, before the configured resolver is asked instead.",
  },
  zoneServersMax: { default: 4, unit: 'count', description: "Servers of a domain's own zone that are asked." },
  triesMax: { default: 2, unit: 'count', description: 'How often a query is sent to each resolver.' },
} as const satisfies Record<string, Limit>
