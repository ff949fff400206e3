/**
 * Snapshots of a mailbox: its UIDs, flags and MODSEQs at one moment. A snapshot never changes. When the mailbox does, the
 * newest snapshot gets a `next`; a session follows the chain when its protocol allows it. Snapshots that no session keeps
 * are garbage. Of an older one that a session keeps, the chain has only what changed since: a session that runs no command
 * while the mailbox changes costs the changes, not a copy of the mailbox for each. Pure.
 */
import type { ShownEntryRow } from '../../../store/tables/mailbox-entries-table.ts'
import type { FlagSets, Flags } from './flag-sets.ts'

/** Position i has the sequence number i + 1. */
export interface MailboxSnapshot {
  /** Ascending. */
  readonly uids: Uint32Array
  readonly flags: readonly Flags[]
  readonly modseqs: Float64Array
  readonly uidNext: number
  /** All changes up to this one are in the snapshot. */
  readonly highestModseq: number
  readonly next: SnapshotStep | undefined
}

export interface SnapshotStep {
  readonly snapshot: MailboxSnapshot
  /** Ascending UIDs that are no longer in the mailbox. */
  readonly vanished: readonly number[]
  /** Ascending UIDs of messages that were there before and have other flags or another MODSEQ. */
  readonly changed: readonly number[]
  /** Messages at the end of the new snapshot that were not in the old one. */
  readonly appendedCount: number
}

interface Columns {
  readonly uids: Uint32Array
  readonly flags: readonly Flags[]
  readonly modseqs: Float64Array
}

/** An entry as it was before a step that has changed or removed it. */
interface FormerEntry {
  readonly uid: number
  readonly flags: Flags
  readonly modseq: number
}

/** The newest snapshot with the same messages: what else happened in the inbox changes nothing but its numbers. */
interface Tip {
  snapshot: ChainedSnapshot
}

type StepChanges = Omit<SnapshotStep, 'snapshot'> & { readonly former: readonly FormerEntry[] }

const NO_CHANGES: StepChanges = { vanished: [], changed: [], appendedCount: 0, former: [] }

class ChainedStep implements SnapshotStep {
  readonly vanished: readonly number[]
  readonly changed: readonly number[]
  readonly appendedCount: number
  readonly former: readonly FormerEntry[]
  readonly #tip: Tip

  constructor({ vanished, changed, appendedCount, former }: StepChanges, tip: Tip) {
    this.vanished = vanished
    this.changed = changed
    this.appendedCount = appendedCount
    this.former = former
    this.#tip = tip
  }

  get snapshot(): ChainedSnapshot {
    return this.#tip.snapshot
  }
}

class ChainedSnapshot implements MailboxSnapshot {
  readonly uidNext: number
  readonly highestModseq: number
  next: ChainedStep | undefined
  /** undefined: `dropColumns` has removed them, and no one has read them since. */
  #columns: Columns | undefined

  constructor(columns: Columns, { uidNext, highestModseq }: Pick<MailboxSnapshot, 'uidNext' | 'highestModseq'>) {
    this.#columns = columns
    this.uidNext = uidNext
    this.highestModseq = highestModseq
  }

  get uids(): Uint32Array {
    return this.#read().uids
  }

  get flags(): readonly Flags[] {
    return this.#read().flags
  }

  get modseqs(): Float64Array {
    return this.#read().modseqs
  }

  /** Returns one with the same messages. */
  withNumbers(numbers: Pick<MailboxSnapshot, 'uidNext' | 'highestModseq'>): ChainedSnapshot {
    return new ChainedSnapshot(this.#read(), numbers)
  }

  /** Only of a snapshot that has a `next`. */
  dropColumns(): void {
    this.#columns = undefined
  }

  #read(): Columns {
    this.#columns ??= this.#restore()
    return this.#columns
  }

  /** Undoes the steps after this snapshot, all at once: the first that touches an entry knows how it was here. */
  #restore(): Columns {
    const steps: (readonly FormerEntry[])[] = []
    let later: ChainedSnapshot = this
    while (later.#columns === undefined) {
      steps.push(later.next!.former)
      later = later.next!.snapshot
    }
    const restored = this.#restoreChanged(later.#columns, steps)
    if (restored) return restored
    const former = new Map<number, FormerEntry>()
    for (const entry of steps.flat()) {
      // UIDs ascend: higher ones were added by one of the steps.
      if (entry.uid < this.uidNext && !former.has(entry.uid)) former.set(entry.uid, entry)
    }
    const { uids, flags, modseqs } = later.#columns
    const entries: FormerEntry[] = []
    for (let index = 0; index < uids.length && uids[index]! < this.uidNext; index += 1) {
      const uid = uids[index]!
      entries.push(former.get(uid) ?? { uid, flags: flags[index]!, modseq: modseqs[index]! })
      former.delete(uid)
    }
    if (former.size > 0) {
      for (const entry of former.values()) entries.push(entry)
      entries.sort((a, b) => a.uid - b.uid)
    }
    return {
      uids: Uint32Array.from(entries, ({ uid }) => uid),
      flags: entries.map((entry) => entry.flags),
      modseqs: Float64Array.from(entries, ({ modseq }) => modseq),
    }
  }

  /** If no message has vanished since. It makes no object for each message: STORE may have changed all of them. */
  #restoreChanged(later: Columns, steps: readonly (readonly FormerEntry[])[]): Columns | undefined {
    const uids = later.uids.subarray(0, firstAbove(later.uids, this.uidNext - 1))
    if (uids.length === later.uids.length && steps.every(({ length }) => length === 0)) return later
    const flags = later.flags.slice(0, uids.length)
    const modseqs = later.modseqs.slice(0, uids.length)
    // The first step that touches an entry knows how it was here, so it comes last.
    for (const former of steps.toReversed()) {
      for (const entry of former) {
        const { uid } = entry
        if (uid >= this.uidNext) continue
        const index = indexOfUid(uids, uid)
        if (index === undefined) return undefined
        flags[index] = entry.flags
        modseqs[index] = entry.modseq
      }
    }
    return { uids, flags, modseqs }
  }
}

interface Growing {
  uids: Uint32Array
  modseqs: Float64Array
}

/** The newest snapshot of a chain. Snapshots that only grew share the memory of their UIDs. */
export class SnapshotChain {
  readonly #flagSets: FlagSets
  #space: Growing
  #latest: ChainedSnapshot
  #tip: Tip
  /** It keeps its columns: sessions that follow the chain at once read them when there is a new one. */
  #previous: ChainedSnapshot | undefined

  /** @param entries ascending UIDs */
  constructor(
    entries: readonly ShownEntryRow[],
    { uidNext, highestModseq }: Pick<MailboxSnapshot, 'uidNext' | 'highestModseq'>,
    flagSets: FlagSets,
  ) {
    this.#flagSets = flagSets
    const uids = new Uint32Array(withSpare(entries.length))
    const modseqs = new Float64Array(uids.length)
    const flags: Flags[] = []
    for (const [index, entry] of entries.entries()) {
      uids[index] = entry.uid
      modseqs[index] = Math.min(entry.modseq, highestModseq)
      flags.push(flagSets.of(entry))
    }
    this.#space = { uids, modseqs }
    const { length } = entries
    const columns = { uids: uids.subarray(0, length), flags, modseqs: modseqs.subarray(0, length) }
    this.#latest = new ChainedSnapshot(columns, { uidNext: nextUid(uidNext, entries), highestModseq })
    this.#tip = { snapshot: this.#latest }
  }

  get latest(): MailboxSnapshot {
    return this.#latest
  }

  /**
   * Adds a snapshot, if something changed. It may be only the number of the last change.
   *
   * @param changed entries that are new or changed, in any order; one of a later change than `highestModseq` is changed once more
   * @param vanished UIDs, also of entries that were never shown
   */
  advance(changed: readonly ShownEntryRow[], vanished: readonly number[], highestModseq: number): void {
    const before = this.#latest
    const gone = new Set(vanished)
    const known: { readonly index: number; readonly flags: Flags; readonly modseq: number }[] = []
    const added: ShownEntryRow[] = []
    for (const entry of changed) {
      if (gone.has(entry.uid)) continue
      const index = indexOfUid(before.uids, entry.uid)
      if (index === undefined) added.push(entry)
      else {
        const [flags, modseq] = [this.#flagSets.of(entry), Math.min(entry.modseq, highestModseq)]
        if (before.flags[index] !== flags || before.modseqs[index] !== modseq) known.push({ index, flags, modseq })
      }
    }
    added.sort((a, b) => a.uid - b.uid)
    const left = vanished.filter((uid) => indexOfUid(before.uids, uid) !== undefined).sort((a, b) => a - b)
    const uidNext = vanished.reduce((next, uid) => Math.max(next, uid + 1), nextUid(before.uidNext, added))
    if (known.length + added.length + left.length === 0) {
      if (highestModseq === before.highestModseq && uidNext === before.uidNext) return
      // All steps that lead here lead to the new one: what happens elsewhere must not make the chain longer.
      this.#latest = before.withNumbers({ highestModseq, uidNext })
      this.#tip.snapshot = this.#latest
      before.next = new ChainedStep(NO_CHANGES, this.#tip)
      before.dropColumns()
      return
    }
    known.sort((a, b) => a.index - b.index)
    const snapshot = this.#make(before, {
      known,
      added,
      gone: left.length > 0 ? gone : undefined,
      highestModseq,
      uidNext,
    })
    const indexes = [...known.map(({ index }) => index), ...left.map((uid) => indexOfUid(before.uids, uid)!)]
    const changes = {
      vanished: left,
      changed: known.map(({ index }) => before.uids[index]!),
      appendedCount: added.length,
      former: indexes.map((index) => {
        return { uid: before.uids[index]!, flags: before.flags[index]!, modseq: before.modseqs[index]! }
      }),
    }
    this.#tip = { snapshot }
    before.next = new ChainedStep(changes, this.#tip)
    this.#previous?.dropColumns()
    this.#previous = before
    this.#latest = snapshot
  }

  #make(
    before: MailboxSnapshot,
    {
      known,
      added,
      gone,
      highestModseq,
      uidNext,
    }: {
      readonly known: readonly { readonly index: number; readonly flags: Flags; readonly modseq: number }[]
      readonly added: readonly ShownEntryRow[]
      readonly gone: ReadonlySet<number> | undefined
      readonly highestModseq: number
      readonly uidNext: number
    },
  ): ChainedSnapshot {
    let { length } = before.uids
    let flags = before.flags as Flags[]
    const isMoved = gone !== undefined || length + added.length > this.#space.uids.length
    const isCopied = isMoved || known.length > 0
    if (isCopied) {
      const uids = isMoved ? new Uint32Array(withSpare(length + added.length)) : this.#space.uids
      const modseqs = new Float64Array(uids.length)
      if (isMoved) uids.set(before.uids)
      modseqs.set(before.modseqs)
      this.#space = { uids, modseqs }
    }
    flags = flags.slice()
    const { uids, modseqs } = this.#space
    for (const each of known) {
      flags[each.index] = each.flags
      modseqs[each.index] = each.modseq
    }
    if (gone) {
      let kept = 0
      for (let index = 0; index < length; index += 1) {
        if (gone.has(uids[index]!)) continue
        uids[kept] = uids[index]!
        modseqs[kept] = modseqs[index]!
        flags[kept] = flags[index]!
        kept += 1
      }
      length = kept
      flags.length = kept
    }
    for (const entry of added) {
      uids[length] = entry.uid
      modseqs[length] = Math.min(entry.modseq, highestModseq)
      flags.push(this.#flagSets.of(entry))
      length += 1
    }
    const columns = { uids: uids.subarray(0, length), flags, modseqs: modseqs.subarray(0, length) }
    return new ChainedSnapshot(columns, { uidNext, highestModseq })
  }
}

/** The number of UIDs up to one. Binary search. */
function firstAbove(uids: ArrayLike<number>, uid: number): number {
  let [low, high] = [0, uids.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (uids[middle]! <= uid) low = middle + 1
    else high = middle
  }
  return low
}

/** Binary search. */
export function indexOfUid(uids: ArrayLike<number>, uid: number): number | undefined {
  let [low, high] = [0, uids.length - 1]
  while (low <= high) {
    const middle = (low + high) >>> 1
    const found = uids[middle]!
    if (found === uid) return middle
    if (found < uid) low = middle + 1
    else high = middle - 1
  }
  return undefined
}

function nextUid(before: number, entries: readonly ShownEntryRow[]): number {
  return Math.max(before, (entries.at(-1)?.uid ?? 0) + 1)
}

function withSpare(length: number): number {
  return length + (length >> 3) + 64
}
