/** Limits of the SMTP listener: connections, idle times, commands. Part of ../limits.ts. */
import { KIB, type Limit, MINUTE } from './limit.ts'

export const smtpLimits = {
  connectionsMax: {
    default: 1_000,
    unit: 'count',
    description:
      'Open SMTP connections. A new connection replaces one that is not in use; if all are in use, the new one is refused with 421.',
  },
  connectionsPerNetworkMax: {
    default: 100,
    unit: 'count',
    description: 'Open SMTP connections from one IPv4 address or one IPv6 /64. Further ones are refused with 421.',
  },
  idleMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    description: 'Idle timeout of an SMTP connection after its first accepted MAIL command (RFC 5321 §4.5.3.2.7).',
  },
  idleBeforeMailMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description: 'Idle timeout of an SMTP connection before its first accepted MAIL command.',
  },
  stalledMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description:
      'Time without progress after which a connection with an open mail transaction counts as not in use when a new connection needs its slot.',
  },
  progressBytes: {
    default: 64 * KIB,
    unit: 'bytes',
    description: 'Bytes from an SMTP peer that count as progress. An accepted message also counts.',
  },
  recipientsMax: {
    default: 100,
    unit: 'count',
    description: 'Recipients in one SMTP transaction (RFC 5321 §4.5.3.1.8).',
  },
  commandsMax: { default: 10_000, unit: 'count', description: 'Commands on one SMTP connection.' },
  errorsMax: {
    default: 20,
    unit: 'count',
    description: 'Commands with a 5xx reply on one SMTP connection before it is closed.',
  },
  commandBytesMax: {
    default: 4_096,
    unit: 'bytes',
    description: 'Length of one SMTP command line, including extensions (RFC 5321 §4.5.3.1.4).',
  },
} as const satisfies Record<string, Limit>
