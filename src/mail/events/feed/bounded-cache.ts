/**
 * A cache that is bounded in number and in bytes, and drops the entry that was added first. Callers must be able to
 * recreate a dropped value.
 */

interface CacheLimits {
  readonly countMax: number
  readonly bytesMax: number
}

interface Cached<Entry> {
  readonly entry: Entry
  bytes: number
}

export class BoundedCache<Key, Entry> {
  readonly #limits: CacheLimits
  /** Oldest first. */
  readonly #cached = new Map<Key, Cached<Entry>>()
  #bytes = 0

  constructor(limits: CacheLimits) {
    this.#limits = limits
  }

  get(key: Key): Entry | undefined {
    return this.#cached.get(key)?.entry
  }

  /** Adds an entry; it replaces an older one with the same key. */
  set(key: Key, entry: Entry, bytes: number): void {
    this.drop(key)
    this.#cached.set(key, { entry, bytes })
    this.#bytes += bytes
    this.#dropOldest()
  }

  /** Sets the size of an entry that was not known when it was added. */
  resize(key: Key, entry: Entry, bytes: number): void {
    const cached = this.#cached.get(key)
    if (cached?.entry !== entry) return // it was replaced or dropped
    this.#bytes += bytes - cached.bytes
    cached.bytes = bytes
    this.#dropOldest()
  }

  drop(key: Key): void {
    this.#bytes -= this.#cached.get(key)?.bytes ?? 0
    this.#cached.delete(key)
  }

  #dropOldest(): void {
    for (const key of this.#cached.keys()) {
      if (this.#cached.size <= this.#limits.countMax && this.#bytes <= this.#limits.bytesMax) return
      this.drop(key)
    }
  }
}
