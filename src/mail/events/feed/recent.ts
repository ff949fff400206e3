/**
 * A small cache of values that were made lately and will be needed again soon. It is bounded in number and in bytes,
 * and drops the oldest entry first. Its user must be able to make a dropped value again.
 */

interface RecentLimits {
  readonly countMax: number
  readonly bytesMax: number
}

interface Kept<Entry> {
  readonly entry: Entry
  bytes: number
}

export class Recent<Key, Entry> {
  readonly #limits: RecentLimits
  /** Oldest first. */
  readonly #kept = new Map<Key, Kept<Entry>>()
  #bytes = 0

  constructor(limits: RecentLimits) {
    this.#limits = limits
  }

  get(key: Key): Entry | undefined {
    return this.#kept.get(key)?.entry
  }

  /** Keeps the entry in place of an older one of the same key. */
  set(key: Key, entry: Entry, bytes: number): void {
    this.drop(key)
    this.#kept.set(key, { entry, bytes })
    this.#bytes += bytes
    this.#dropOldest()
  }

  /** For an entry whose size is known later than itself. */
  resize(key: Key, entry: Entry, bytes: number): void {
    const kept = this.#kept.get(key)
    if (kept?.entry !== entry) return // another has its place by now, or none
    this.#bytes += bytes - kept.bytes
    kept.bytes = bytes
    this.#dropOldest()
  }

  drop(key: Key): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0
    this.#kept.delete(key)
  }

  #dropOldest(): void {
    for (const key of this.#kept.keys()) {
      if (this.#kept.size <= this.#limits.countMax && this.#bytes <= this.#limits.bytesMax) return
      this.drop(key)
    }
  }
}
