/** Limits of sign-ups by agents. Part of ../limits.ts. */
import { DAY, KIB, type Limit } from './limit.ts'

export const signUpLimits = {
  perNetworkHourMax: {
    default: 10,
    unit: 'count',
    description: 'Sign-ups per hour from one network: an IPv4 address, or an IPv6 /64.',
  },
  perAddressDayMax: {
    default: 5,
    unit: 'count',
    description: 'Sign-ups for one address of a human per day, and codes that are mailed to it.',
  },
  perHourMax: { default: 200, unit: 'count', description: 'Sign-ups per hour in all.' },
  bodyBytesMax: { default: 32 * KIB, unit: 'bytes', description: 'Body of a sign-up, which needs no key.' },
  textCharsMax: { default: 2_048, unit: 'count', description: 'Characters of `source`, and of `referrer`.' },
  codeMs: { default: DAY, unit: 'milliseconds', description: 'Time for which a mailed code is valid.' },
  codeTriesMax: {
    default: 10,
    unit: 'count',
    description: 'Wrong codes after which even the right one is refused, until it expires.',
  },
  humanChangesMax: {
    default: 2,
    unit: 'count',
    description: 'How often an unverified organization can replace the address of its human.',
  },
  unverifiedInboxesMax: { default: 1, unit: 'count', description: 'Inboxes of an unverified organization.' },
  unverifiedKeysMax: {
    default: 10,
    unit: 'count',
    description: 'API keys and app passwords of an unverified organization.',
  },
  unverifiedRecipientsDayMax: {
    default: 10,
    unit: 'count',
    description: 'Recipients per day of all mail that an unverified organization sends.',
  },
} as const satisfies Record<string, Limit>
