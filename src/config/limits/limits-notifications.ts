/** Limits of the rules by which an inbox reports received messages. Part of ../limits.ts. */
import type { Limit } from './limit.ts'

export const notificationsLimits = {
  rulesMax: { default: 20, unit: 'count', description: 'Rules of one inbox.' },
  nameCharsMax: { default: 256, unit: 'count', description: 'Length of the name of a rule.' },
  domainsMax: { default: 100, unit: 'count', description: 'Domains of senders in one rule.' },
  recipientsMax: {
    default: 20,
    unit: 'count',
    description: 'Addresses to which the rules of one inbox mail notifications.',
  },
  replaceTriesMax: {
    default: 5,
    unit: 'count',
    description: 'Tries to replace the rules of an inbox while other calls replace them too.',
  },
  mailsPerHourMax: {
    default: 60,
    unit: 'count',
    description: 'Notifications that an inbox mails per hour. Further messages cause none.',
  },
} as const satisfies Record<string, Limit>
