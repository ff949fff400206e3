/** A cache with a fixed number of entries. When it is full, the entry that was not used for the longest time leaves it. */

export class LruCache<Value> {
  /** Least recently used first. */
  readonly #entries = new Map<string, Value>()
  readonly #entriesMax: number
  readonly #onRemoved: (value: Value) => void

  /** @param onRemoved called with each entry that leaves the cache */
  constructor(entriesMax: number, onRemoved: (value: Value) => void = () => undefined) {
    this.#entriesMax = entriesMax
    this.#onRemoved = onRemoved
  }

  /** Returns the entry, and makes and adds it if there is none. If `make` throws, the cache does not change. */
  getOrAdd(key: string, make: () => Value): Value {
    const known = this.#entries.get(key)
    // To move an entry takes longer than to find it. None leaves soon while less than half of the cache is full.
    if (known !== undefined && this.#entries.size < this.#entriesMax / 2) return known
    const value = known ?? make()
    if (known !== undefined) this.#entries.delete(key)
    else if (this.#entries.size >= this.#entriesMax) this.#removeOldest()
    this.#entries.set(key, value)
    return value
  }

  clear(): void {
    for (const value of this.#entries.values()) this.#onRemoved(value)
    this.#entries.clear()
  }

  #removeOldest(): void {
    for (const [oldest, value] of this.#entries) {
      this.#entries.delete(oldest)
      this.#onRemoved(value)
      return
    }
  }
}
