/** Limits of API keys. Part of ../limits.ts. */
import type { Limit } from './limit.ts'

export const accessLimits = {
  apiKeysPerPodMax: {
    default: 10_000,
    unit: 'count',
    description: 'API keys of one pod, including those of its inboxes.',
  },
} as const satisfies Record<string, Limit>
