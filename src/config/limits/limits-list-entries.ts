/** Limits of allow and block lists. Part of ../limits.ts. */
import type { Limit } from './limit.ts'

export const listEntriesLimits = {
  perListMax: {
    default: 10_000,
    unit: 'count',
    description: 'Entries of one allow or block list, without those that the server makes itself.',
  },
  reasonCharsMax: { default: 1_000, unit: 'count', description: 'Characters of the reason of an entry.' },
  removalChunkRows: {
    default: 1_000,
    unit: 'count',
    description: 'Entries of a deleted inbox or pod that are removed per transaction.',
  },
} as const satisfies Record<string, Limit>
