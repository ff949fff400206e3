/** Limits of the mail that asks senders to confirm that they wrote a message. Part of ../limits.ts. */
import { DAY, type Limit } from './limit.ts'

export const challengesLimits = {
  linkMs: { default: 3 * DAY, unit: 'milliseconds', description: 'How long the link of a challenge works.' },
  perSenderDayMax: {
    default: 2,
    unit: 'count',
    description:
      'Challenges to one address per day, from all inboxes of this server. Tags of the address do not count.',
  },
  perDomainHourMax: {
    default: 20,
    unit: 'count',
    description: 'Challenges to addresses of one organizational domain per hour.',
  },
  perNetworkHourMax: {
    default: 10,
    unit: 'count',
    description: 'Challenges per hour because of messages from one network.',
  },
  perInboxHourMax: { default: 60, unit: 'count', description: 'Challenges from one inbox per hour.' },
  totalHourMax: { default: 500, unit: 'count', description: 'Challenges per hour from all inboxes of this server.' },
  sendersPerInboxMax: {
    default: 10_000,
    unit: 'count',
    description: 'Verified senders of one inbox, with those that have not answered yet.',
  },
  claimCharsMax: {
    default: 400,
    unit: 'count',
    description: 'Length of the address and the origin of a sender that can be challenged.',
  },
} as const satisfies Record<string, Limit>
