/** Limits of the messages that other servers deliver. Part of ../limits.ts. */
import { DAY, type Limit } from './limit.ts'

export const receivingLimits = {
  hopsMax: {
    default: 100,
    unit: 'count',
    description: 'Received fields of a message. With more, it is refused as a mail loop.',
  },
  underWayMax: {
    default: 50,
    unit: 'count',
    description:
      'Messages from other servers that are parsed and filed at a time. Further ones wait, round robin over networks.',
  },
  waitMs: {
    default: 500,
    unit: 'milliseconds',
    description:
      'Overload: if a message from another server waits longer than this before it is parsed, new SMTP connections are refused with 421 until it is not.',
  },
  repeatedKeyMs: {
    default: 7 * DAY,
    unit: 'milliseconds',
    description:
      'Time for which a received message with the same `X-AgentMail-Idempotency-Key` of the same sender counts as a repeat.',
  },
} as const satisfies Record<string, Limit>
