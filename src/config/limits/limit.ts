/** What a bound is, and the units in which bounds are written down. */

export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
export const KIB = 1024
export const MIB = 1024 * KIB

export interface Limit {
  default: number
  unit: 'bytes' | 'milliseconds' | 'count'
  sentence: string
}
