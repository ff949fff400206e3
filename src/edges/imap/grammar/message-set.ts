/**
 * Sets of messages (RFC 9051 §9, sequence-set): reading them, resolving them against a mailbox, and writing UIDs as a set.
 * Ranges stay ranges: "1:*" costs nothing until a mailbox gives it a size.
 */
import type { SetRange } from '../../../formats/imap/search-keys.ts'
import type { TokenReader } from './imap-token-reader.ts'

/** 'saved': "$", the result of the last SEARCH RETURN (SAVE) (RFC 5182 §2.1). */
export type MessageSet = readonly SetRange[] | 'saved'

/** @param rangesMax of one set */
export function readMessageSet(reader: TokenReader, rangesMax: number): MessageSet {
  return reader.skip('$') ? 'saved' : readRanges(reader, rangesMax)
}

export function readRanges(reader: TokenReader, rangesMax: number): SetRange[] {
  const ranges: SetRange[] = []
  do {
    if (ranges.length === rangesMax) reader.fail('a sequence set is too long')
    const start = readNumber(reader)
    ranges.push({ start, end: reader.skip(':') ? readNumber(reader) : start })
  } while (reader.skip(','))
  return ranges
}

/** A set without "*" (RFC 7162 §3.2.5.2: known-uids), as ascending ranges. */
export function readKnownSet(reader: TokenReader, rangesMax: number): Interval[] {
  const ranges = readRanges(reader, rangesMax)
  if (ranges.some(({ start, end }) => start === '*' || end === '*')) reader.fail('"*" is not allowed in this set')
  return normalise(ranges, 0)
}

function readNumber(reader: TokenReader): number | '*' {
  return reader.skip('*') ? '*' : reader.positive('a message number')
}

/** Inclusive. */
export interface Interval {
  readonly first: number
  readonly last: number
}

/** @returns ascending intervals that do not touch. @param largest what "*" means */
export function normalise(ranges: readonly SetRange[], largest: number): Interval[] {
  const intervals = ranges.map(({ start, end }) => {
    const [one, other] = [start === '*' ? largest : start, end === '*' ? largest : end]
    return { first: Math.min(one, other), last: Math.max(one, other) } // RFC 9051 §9: "4:2" is "2:4"
  })
  intervals.sort((one, other) => one.first - other.first)
  const merged: { first: number; last: number }[] = []
  for (const { first, last } of intervals) {
    const before = merged.at(-1)
    if (before && first <= before.last + 1) before.last = Math.max(before.last, last)
    else merged.push({ first, last })
  }
  return merged
}

/** The position of the first UID that is not below `uid`: `uids.length` if there is none. */
export function lowerBound(uids: ArrayLike<number>, uid: number): number {
  let low = 0
  let high = uids.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (uids[middle]! < uid) low = middle + 1
    else high = middle
  }
  return low
}

/** The position of a UID, or -1. */
export function positionOf(uids: ArrayLike<number>, uid: number): number {
  const at = lowerBound(uids, uid)
  return uids[at] === uid ? at : -1
}

/** Positions [start, end) of the messages in a set of UIDs, ascending. UIDs that do not exist are left out. */
export function positionsOfUids(set: readonly SetRange[], uids: ArrayLike<number>): PositionRange[] {
  // RFC 9051 §9: "*" is the largest UID in use, so "559:*" always contains it
  return normalise(set, uids[uids.length - 1] ?? 0)
    .map(({ first, last }) => ({ start: lowerBound(uids, first), end: lowerBound(uids, last + 1) }))
    .filter(({ start, end }) => start < end)
}

/** @returns undefined if a number is larger than `count` (RFC 9051 §6: BAD) */
export function positionsOfNumbers(set: readonly SetRange[], count: number): PositionRange[] | undefined {
  const intervals = normalise(set, count)
  if (intervals.some(({ first, last }) => first < 1 || last > count)) return undefined
  return intervals.map(({ first, last }) => ({ start: first - 1, end: last }))
}

/** Positions in a snapshot; `end` is exclusive. */
export interface PositionRange {
  readonly start: number
  readonly end: number
}

export function countPositions(ranges: readonly PositionRange[]): number {
  return ranges.reduce((count, { start, end }) => count + end - start, 0)
}

/** Ascending numbers as a set: "2:4,7". Not empty. */
export function formatSet(numbers: ArrayLike<number>): string {
  const parts: string[] = []
  for (let i = 0; i < numbers.length; ) {
    const first = numbers[i]!
    let last = first
    while (++i < numbers.length && numbers[i] === last + 1) last += 1
    parts.push(first === last ? `${first}` : `${first}:${last}`)
  }
  return parts.join(',')
}

/** Numbers in any order, which the set keeps (RFC 4315 §3: COPYUID pairs them by position). */
export const formatUidList = formatSet

export function formatIntervals(intervals: readonly Interval[]): string {
  return intervals.map(({ first, last }) => (first === last ? `${first}` : `${first}:${last}`)).join(',')
}
