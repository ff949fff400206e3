/** Limits of the authentication of senders. Part of ../limits.ts; those of reading signatures are in limits-parsing.ts. */
import { HOUR, KIB, type Limit, SECOND } from './limit.ts'

export const authenticationLimits = {
  spfMs: {
    default: 20 * SECOND,
    unit: 'milliseconds',
    description: 'Time to check the SPF record of a sender (RFC 7208 §4.6.4).',
  },
  spfLookupsMax: {
    default: 10,
    unit: 'count',
    description: 'DNS queries that the terms of an SPF record may cause (RFC 7208 §4.6.4).',
  },
  spfVoidLookupsMax: {
    default: 2,
    unit: 'count',
    description: 'Those of them that may find nothing (RFC 7208 §4.6.4).',
  },
  spfRecordBytesMax: {
    default: 4 * KIB,
    unit: 'bytes',
    description: 'Longest SPF record that is evaluated. RFC 7208 §3.4 recommends less than 512.',
  },
  spfVerdictsMax: {
    default: 1_000,
    unit: 'count',
    description: 'Senders whose SPF result is kept in memory, while the DNS records that it follows from are valid.',
  },
  spfVerdictBytesMax: {
    default: 4 * KIB,
    unit: 'bytes',
    description: 'DNS records from which a result follows that is kept.',
  },
  dnsMs: {
    default: 20 * SECOND,
    unit: 'milliseconds',
    description: 'Time for each step of the authentication, and for each key. After that, its result is `temperror`.',
  },
  rsaBitsMin: { default: 1_024, unit: 'count', description: 'Bits of an RSA key; with fewer, a signature fails.' },
  rsaBitsMax: { default: 4_096, unit: 'count', description: 'Bits of an RSA key; with more, it is not used.' },
  keysCachedMax: { default: 1_000, unit: 'count', description: 'Public keys that are kept in memory.' },
  clockSkewMs: {
    default: HOUR,
    unit: 'milliseconds',
    description: 'How far in the future the time of a signature may be.',
  },
} as const satisfies Record<string, Limit>
