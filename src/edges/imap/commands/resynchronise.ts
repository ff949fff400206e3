/** Brings a client up to date that has seen the mailbox before: SELECT with QRESYNC (RFC 7162 §3.2.5), and VANISHED of UID FETCH (§3.2.6). */
import type { QresyncArguments } from '../grammar/imap-command.ts'
import { formatIntervals, type Interval, lowerBound } from '../grammar/message-set.ts'
import type { ImapSession } from '../session/imap-session.ts'
import type { UidRange } from '../session/mail-store.ts'
import type { SelectedMailbox } from '../session/selected-mailbox.ts'

export async function resynchronise(
  session: ImapSession,
  selected: SelectedMailbox,
  { modseq, known, match }: QresyncArguments,
): Promise<void> {
  const { believed } = selected
  const since = toModseq(modseq)
  const all = known ?? (believed.uidNext > 1 ? [{ first: 1, last: believed.uidNext - 1 }] : [])
  const unchanged = match ? lastMatch(match, believed.uids) : 0
  await reportVanished(session, selected, since, above(all, unchanged))
  for (const { first, last } of all) {
    const end = lowerBound(believed.uids, last + 1)
    for (let position = lowerBound(believed.uids, first); position < end; position++) {
      if (believed.modseqs[position]! <= since) continue
      session.output.write(selected.flagsFetch(position, believed, session, true))
      await session.breathe()
    }
  }
}

/** VANISHED (EARLIER) for UIDs in `known` that vanished after `since`. */
export async function reportVanished(
  session: ImapSession,
  { mailbox, believed }: SelectedMailbox,
  since: number,
  known: readonly UidRange[],
): Promise<void> {
  // UIDs that were not given to a message yet have not vanished.
  const given = known
    .filter(({ first }) => first < believed.uidNext)
    .map(({ first, last }) => ({ first, last: Math.min(last, believed.uidNext - 1) }))
  if (given.length === 0) return
  const vanished = without(await mailbox.vanishedSince(since, given), believed.uids)
  if (vanished.length > 0) session.untagged(`VANISHED (EARLIER) ${formatIntervals(vanished)}`)
}

/** Mod-sequences of stores are below 2^53. */
export function toModseq(modseq: bigint): number {
  return Number(modseq > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : modseq)
}

/**
 * RFC 7162 §3.2.5.2: a message that still has the same number has lost none before it.
 *
 * @returns the largest UID with that property; 0 if there is none
 */
function lastMatch({ numbers, uids }: NonNullable<QresyncArguments['match']>, existing: ArrayLike<number>): number {
  let matched = 0
  const uidsInOrder = each(uids)
  for (const number of each(numbers)) {
    const uid = uidsInOrder.next()
    if (uid.done || number > existing.length) break
    if (existing[number - 1] === uid.value) matched = uid.value
  }
  return matched
}

function* each(intervals: readonly Interval[]): Generator<number, undefined> {
  for (const { first, last } of intervals) for (let value = first; value <= last; value++) yield value
}

function above(ranges: readonly UidRange[], uid: number): UidRange[] {
  return ranges.filter(({ last }) => last > uid).map(({ first, last }) => ({ first: Math.max(first, uid + 1), last }))
}

/** Removes UIDs that the client is shown as existing: they vanished after the snapshot, and will be reported later. */
function without(ranges: readonly UidRange[], uids: ArrayLike<number>): Interval[] {
  const left: { first: number; last: number }[] = []
  const add = (first: number, last: number) => {
    const before = left.at(-1)
    if (before && before.last + 1 >= first) before.last = Math.max(before.last, last)
    else left.push({ first, last })
  }
  for (const { first, last } of ranges) {
    let start = first
    for (let at = lowerBound(uids, first); at < uids.length && uids[at]! <= last; at++) {
      if (uids[at]! > start) add(start, uids[at]! - 1)
      start = uids[at]! + 1
    }
    if (start <= last) add(start, last)
  }
  return left
}
