/** The contract of a blob store. */

/** Stores bytes that are too large for the database. Keys are random; an object never changes. */
export interface Blobs {
  /**
   * Writes a stream to its end and makes it durable (fsync, rename, fsync of the folder) before it resolves.
   * Call this before the transaction that refers to the object. The sweep removes old objects that no row refers to.
   *
   * @throws disk_full, unavailable, or what the source throws; nothing is then stored
   */
  put(source: AsyncIterable<Uint8Array>): Promise<{ key: string; sizeBytes: number }>
  /**
   * @param range bytes [start, end) of the object; defaults to the whole object
   * @throws not_found when it was removed; unavailable
   */
  get(key: string, range?: { start: number; end: number }): AsyncIterable<Uint8Array>
  /** The path of the file that contains exactly this object: a thread can read it there. undefined: there is no file. */
  fileOf(key: string): string | undefined
  /** Deletes an object. Also resolves if it does not exist. */
  delete(key: string): Promise<void>
  /**
   * Lists the keys of objects last changed before the given time, for the sweep. Also removes temp files of that age.
   */
  listOlderThan(timeMs: number): AsyncIterable<string>
}
