/** Finds the messages that a set of a command means: positions in the snapshot that the client believes in. */
import { ImapSyntaxError } from '../grammar/imap-syntax.ts'
import {
  lowerBound,
  type MessageSet,
  type PositionRange,
  positionOf,
  positionsOfNumbers,
  positionsOfUids,
} from '../grammar/message-set.ts'
import type { SelectedMailbox } from '../session/selected-mailbox.ts'

/** @throws ImapSyntaxError for a sequence number that does not exist (RFC 9051 §6: BAD) */
export function resolveSet({ believed, saved }: SelectedMailbox, set: MessageSet, isUid: boolean): PositionRange[] {
  const { uids } = believed
  if (set === 'saved') return positionsOfSaved(saved, uids)
  if (isUid) return positionsOfUids(set, uids)
  // "1:*" in an empty mailbox is a habit of clients, and means no message.
  if (uids.length === 0 && set.every(({ start, end }) => start === '*' || end === '*')) return []
  const ranges = positionsOfNumbers(set, uids.length)
  if (!ranges) throw new ImapSyntaxError('there is no message with this number')
  return ranges
}

/** RFC 5182 §2.1: messages that have been expunged are no longer in the result. */
function positionsOfSaved(saved: readonly number[], uids: ArrayLike<number>): PositionRange[] {
  const ranges: { start: number; end: number }[] = []
  for (const uid of saved) {
    const position = positionOf(uids, uid)
    if (position === -1) continue
    const last = ranges.at(-1)
    if (last?.end === position) last.end += 1
    else ranges.push({ start: position, end: position + 1 })
  }
  return ranges
}

/** UIDs at these positions, ascending. */
export function uidsAt(ranges: readonly PositionRange[], uids: ArrayLike<number>): number[] {
  const found: number[] = []
  for (const { start, end } of ranges) for (let at = start; at < end; at++) found.push(uids[at]!)
  return found
}

/** Positions of ascending UIDs, found by walking along, since most often they are neighbours. */
export function createPositionFinder(uids: ArrayLike<number>): (uid: number) => number {
  let next = 0
  return (uid) => {
    if (uids[next] !== uid) next = lowerBound(uids, uid)
    if (uids[next] !== uid) return -1
    return next++
  }
}
