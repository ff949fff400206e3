/** Limits of API keys, app passwords and logins. Part of ../limits.ts. */
import { type Limit, MINUTE, SECOND } from './limit.ts'

export const accessLimits = {
  apiKeysPerPodMax: {
    default: 10_000,
    unit: 'count',
    description: 'API keys and app passwords of one pod, including those of its inboxes.',
  },
  failedLoginDelayMs: {
    default: SECOND / 2,
    unit: 'milliseconds',
    description:
      'How long the answer to the first failed login of a network or an account waits. Each further failure doubles it. A right password never waits.',
  },
  failedLoginDelayMsMax: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    description: 'Longest wait of the answer to a failed login.',
  },
  failedLoginForgetMs: {
    default: 15 * MINUTE,
    unit: 'milliseconds',
    description: 'Time without a failure after which the failed logins of a network or an account are forgotten.',
  },
  failedLoginNamesMax: {
    default: 10_000,
    unit: 'count',
    description: 'Networks whose failed logins are remembered; the same limit applies to accounts.',
  },
  requestRatesTrackedMax: {
    default: 10_000,
    unit: 'count',
    description:
      'API keys whose requests one node counts, and as many organizations. If there are more, the one that was not used for the longest time begins again.',
  },
} as const satisfies Record<string, Limit>
