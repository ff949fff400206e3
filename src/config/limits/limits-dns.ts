/** Limits of DNS queries. Part of ../limits.ts. */
import { HOUR, KIB, type Limit, SECOND } from './limit.ts'

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
  cachedMax: {
    default: 10_000,
    unit: 'count',
    description: 'DNS answers that are cached to authenticate mail.',
  },
  cachedBytesMax: { default: 4 * KIB, unit: 'bytes', description: 'Largest DNS answer that is cached.' },
  cachedMsMax: {
    default: HOUR,
    unit: 'milliseconds',
    description: 'Time for which a DNS answer is cached, if its own time to live is longer.',
  },
  queriesMax: {
    default: 200,
    unit: 'count',
    description: 'DNS queries to authenticate mail that run at a time. Further ones wait.',
  },
  queriesPerClientMax: {
    default: 50,
    unit: 'count',
    description:
      'Those of them that run for the mail of one network. Networks take turns. Answers in the cache, and questions that are on their way already, do not count.',
  },
  slowMs: {
    default: SECOND,
    unit: 'milliseconds',
    description:
      'Time after which a query that has no answer gives its place to one that waits, and counts as not answered. So a forwarder that one of its users abuses with names that are never answered can still send the mail of the others.',
  },
  waitMs: {
    default: 20 * SECOND,
    unit: 'milliseconds',
    description: 'Time that such a query waits for its turn. After that, it fails.',
  },
  triesMax: { default: 2, unit: 'count', description: 'How often a query is sent to each resolver.' },
} as const satisfies Record<string, Limit>
