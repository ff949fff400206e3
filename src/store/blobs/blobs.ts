/** The contract of a blob store, whatever its implementation. */

/** Stores bytes that are too large for the database. Keys are random; an object never changes. */
export interface Blobs {
  /**
   * Writes a stream to its end and makes it durable (fsync, rename, fsync of the folder) before it resolves.
   * Call it before the transaction that refers to the object; the sweep removes old objects that no row refers to.
   *
   * @throws disk_full, unavailable, or what the source throws; then nothing is kept
   */
  put(source: AsyncIterable<Uint8Array>): Promise<{ key: string; sizeBytes: number; sha256: string }>
  /**
   * @param range bytes [start, end) of the object; defaults to the whole object
   * @throws not_found when it was removed; unavailable
   */
  get(key: string, range?: { start: number; end: number }): AsyncIterable<Uint8Array>
  /** Deletes an object. Resolves also when it does not exist. */
  delete(key: string): Promise<void>
  /** Lists keys last changed before the given time, for the sweep. Also removes temp files of that age. */
  listOlderThan(timeMs: number): AsyncIterable<string>
}
