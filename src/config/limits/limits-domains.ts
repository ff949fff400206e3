/** Limits of domains of tenants. Part of ../limits.ts. */
import { DAY, HOUR, type Limit, MINUTE, SECOND } from './limit.ts'

export const domainsLimits = {
  perOrganizationMax: { default: 1_000, unit: 'count', description: 'Domains of one organization.' },
  perPodMax: { default: 100, unit: 'count', description: 'Domains of one pod.' },
  pollMs: {
    default: 15 * SECOND,
    unit: 'milliseconds',
    description: 'How often the server looks for domains whose DNS records are to be checked.',
  },
  checksMax: { default: 5, unit: 'count', description: 'Domains that one node checks by itself at the same time.' },
  requestsMax: {
    default: 50,
    unit: 'count',
    description:
      'Requests to create or verify a domain that one node handles at the same time. They are divided among organizations and pods.',
  },
  leaseMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    description: 'Time after which another node checks a domain again, if the first one has stopped meanwhile.',
  },
  recheckFirstMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description: 'Pause after the first check that fails. It doubles with each further one.',
  },
  recheckMsMax: { default: HOUR, unit: 'milliseconds', description: 'Longest pause between two checks that fail.' },
  recheckVerifiedMs: {
    default: 6 * HOUR,
    unit: 'milliseconds',
    description: 'Pause between two checks of a verified domain.',
  },
  recheckForMs: {
    default: 14 * DAY,
    unit: 'milliseconds',
    description: 'A domain that is not verified this long after its last change is checked by itself no more.',
  },
} as const satisfies Record<string, Limit>
