/** The type of a limit, and constants for its units. Part of ../limits.ts. */

export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB

export interface Limit {
  default: number
  unit: 'bytes' | 'milliseconds' | 'count'
  description: string
}
