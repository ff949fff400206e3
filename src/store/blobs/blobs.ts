/** What a place for large bytes promises, wherever it is. */

/** Bytes too large for the database. Keys are random; an object never changes. */
export interface Blobs {
  /**
   * Writes a stream to its end and makes it durable (fsync, rename, fsync of the folder) before it resolves.
   * Put before the transaction that refers to it; what no row refers to is swept by age.
   *
   * @throws disk_full, unavailable; what the source throws, and then nothing is kept
   */
  put(source: AsyncIterable<Uint8Array>): Promise<{ key: string; sizeBytes: number; sha256: string }>
  /**
   * @param range bytes [start, end) of the object; the whole when left out
   * @throws not_found when it was removed; unavailable
   */
  get(key: string, range?: { start: number; end: number }): AsyncIterable<Uint8Array>
  /** Removing what is gone already is fine. */
  delete(key: string): Promise<void>
  /** Keys last changed before the given time, for the sweep. Also removes what unfinished puts of that age have left. */
  listOlderThan(timeMs: number): AsyncIterable<string>
}
