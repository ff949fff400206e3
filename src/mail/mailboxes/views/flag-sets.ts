/** The sets of flags of messages in memory (mailbox-snapshot.ts). Pure. */
import type { ShownEntryRow } from '../../../store/tables/mailbox-entries-table.ts'

/** Sorted, each once; equal sets are one object. System flags begin with "\". */
export type Flags = readonly string[]

/** Fewer sets are never swept. */
const SWEPT_SETS_MIN = 1_000

/**
 * Gives equal sets of flags the same object, as long as a message has them. Sets that no message has any more are forgotten: a client can store
 * any number of different sets one after the other.
 */
export class FlagSets {
  #keywords = new Set<string>()
  readonly #sets = new Map<string, Flags>()
  #sweptAt = SWEPT_SETS_MIN

  /** The keywords of all sets, in lower case. */
  get keywords(): ReadonlySet<string> {
    return this.#keywords
  }

  get size(): number {
    return this.#sets.size
  }

  of({ flags, is_deleted }: Pick<ShownEntryRow, 'flags' | 'is_deleted'>): Flags {
    const key = is_deleted === 1 ? `\\Deleted ${flags}` : flags
    const known = this.#sets.get(key)
    if (known) return known
    const made = key.split(' ').filter(Boolean).sort()
    this.#sets.set(key, made)
    for (const keyword of keywordsIn([made])) this.#keywords.add(keyword)
    return made
  }

  /**
   * Forgets the sets that no message has. It looks at every message, so it does this only when the number of sets has doubled. Older snapshots
   * may still have forgotten sets: flags of two snapshots are compared only when one of them follows the newest one.
   *
   * @param newest returns the flags of the newest snapshots of all mailboxes that share these sets
   */
  sweep(newest: () => readonly (readonly Flags[])[]): void {
    if (this.#sets.size < this.#sweptAt) return
    const used = new Set(newest().flatMap((flags) => [...new Set(flags)]))
    for (const [key, set] of this.#sets) if (!used.has(set)) this.#sets.delete(key)
    this.#keywords = keywordsIn([...used])
    this.#sweptAt = Math.max(SWEPT_SETS_MIN, 2 * this.#sets.size)
  }
}

/** Returns the different keywords of messages, in lower case. */
export function keywordsIn(flags: readonly Flags[]): Set<string> {
  const keywords = new Set<string>()
  for (const set of new Set(flags)) {
    for (const flag of set) if (!flag.startsWith('\\')) keywords.add(flag.toLowerCase())
  }
  return keywords
}
