/** Limits of what becomes of received mail: rates, spam, refusals, aliases, retention. Part of ../limits.ts. */
import { HOUR, KIB, type Limit, MIB, MINUTE, SECOND } from './limit.ts'

export const policyLimits = {
  ratesTrackedMax: {
    default: 50_000,
    unit: 'count',
    description:
      'Senders, and inboxes, whose rates are counted at a time. Further ones replace those that were not seen for the longest time.',
  },
  rspamdMs: { default: 10 * SECOND, unit: 'milliseconds', description: 'Time for a request to rspamd.' },
  rspamdPauseMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description: 'After a request to rspamd has failed, mail is not sent to it for so long.',
  },
  rspamdRequestsMax: {
    default: 50,
    unit: 'count',
    description: 'Requests to rspamd at a time. Further mail is checked by the built-in rules.',
  },
  rspamdBytesMax: {
    default: 10 * MIB,
    unit: 'bytes',
    description: 'Size of a message that is sent to rspamd. Larger ones are checked by the built-in rules.',
  },
  rspamdReplyBytesMax: { default: 256 * KIB, unit: 'bytes', description: 'Size of a response of rspamd.' },
  spamReasonsMax: { default: 20, unit: 'count', description: 'Reasons of a spam score that are kept.' },
  spamReasonCharsMax: { default: 200, unit: 'count', description: 'Characters of such a reason that are kept.' },
  spamScoreMin: {
    default: 6,
    unit: 'count',
    description: 'From this score on, the built-in rules take a message for spam.',
  },
  refusalEventsPerHour: {
    default: 30,
    unit: 'count',
    description:
      'Refused messages per inbox that have an event of their own. Further ones are counted, and share one event per reason.',
  },
  refusalFlushMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    description: 'Pause between two transactions that write events of refused mail.',
  },
  refusalSummaryMs: {
    default: 10 * MINUTE,
    unit: 'milliseconds',
    description: 'Pause between two events that count refused messages of one inbox.',
  },
  refusalsPendingMax: {
    default: 1_000,
    unit: 'count',
    description: 'Events of refused mail in memory. Further refusals are only logged.',
  },
  aliasesPerInboxMax: { default: 100, unit: 'count', description: 'Aliases of an inbox.' },
  retentionCheckMs: {
    default: HOUR,
    unit: 'milliseconds',
    description: 'Pause between two searches for messages that are older than their inbox keeps them.',
  },
  retentionInboxes: { default: 200, unit: 'count', description: 'Inboxes that such a search reads at a time.' },
} as const satisfies Record<string, Limit>
