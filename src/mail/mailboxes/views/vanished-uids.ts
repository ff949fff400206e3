/** Which UIDs have left a mailbox since a MODSEQ (RFC 7162 §3.2.5), as ranges. Pure. */

/** Inclusive. */
export interface UidRange {
  readonly first: number
  readonly last: number
}

/** Returns ascending ranges of the UIDs that are in `known`. @param uids in any order */
export function rangesOf(uids: readonly number[], known: readonly UidRange[]): UidRange[] {
  const ranges: { first: number; last: number }[] = []
  const inKnown = [...known].sort((a, b) => a.first - b.first)
  let at = 0
  for (const uid of [...uids].sort((a, b) => a - b)) {
    while (at < inKnown.length && inKnown[at]!.last < uid) at += 1
    if (at === inKnown.length) break
    if (uid < inKnown[at]!.first) continue
    const last = ranges.at(-1)
    if (last && uid <= last.last + 1) last.last = Math.max(last.last, uid)
    else ranges.push({ first: uid, last: uid })
  }
  return ranges
}

/** Returns the UIDs below `uidNext` that the mailbox does not have, in `known`: when tombstones have been deleted. @param known does not overlap */
export function missingFrom(uids: ArrayLike<number>, uidNext: number, known: readonly UidRange[]): UidRange[] {
  const gaps: UidRange[] = []
  let next = 1
  for (let index = 0; index < uids.length; index += 1) {
    const uid = uids[index]!
    if (uid > next) gaps.push({ first: next, last: uid - 1 })
    next = uid + 1
  }
  if (next < uidNext) gaps.push({ first: next, last: uidNext - 1 })
  const inKnown = [...known].sort((a, b) => a.first - b.first)
  const missing: UidRange[] = []
  let at = 0
  for (const gap of gaps) {
    // Both may be many: a range that ends before this gap ends before the next ones too.
    while (at < inKnown.length && inKnown[at]!.last < gap.first) at += 1
    for (let next = at; next < inKnown.length && inKnown[next]!.first <= gap.last; next += 1) {
      const range = inKnown[next]!
      missing.push({ first: Math.max(gap.first, range.first), last: Math.min(gap.last, range.last) })
    }
  }
  return missing
}
