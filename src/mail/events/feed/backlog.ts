/** The memory of the data that subscribers have not received yet. Each edge with subscribers implements it. */

/** Data in memory that has not been sent to all its readers yet. It is in memory once, however many readers it has. */
export interface BacklogItem {
  readonly bytes: number
  /** Memory that each waiting reader adds. */
  readonly bytesPerReader: number
  /** Number of readers to which it has not been sent. Only a Backlog changes it. */
  readerCount: number
}

/** Counts the memory of the data that has not been sent to one reader yet. */
export interface Backlog {
  /** Adds an item. May end the reader, or others, before it returns. */
  add(item: BacklogItem): void
  /** Removes an item that was added before. */
  remove(item: BacklogItem): void
}
