/**
 * One memory budget for all data that the WebSockets and event streams of this process have not sent yet: rendered
 * events, queued events, pages of past events. Each connection has its own limits, but a thousand connections that
 * never read could fill the heap without exceeding them.
 *
 * An item that several connections wait for counts once. Above `limits.events.backlogBytesMax`, connections are
 * terminated, the slowest first, until an eighth of the budget is free. Such a client resumes with the cursor of the
 * last event that it read and misses nothing.
 */
import type { Limits } from '../../../../config/limits.ts'
import type { Backlog, BacklogItem } from '../../../../mail/events/feed/backlog.ts'

/** Fraction of the budget that is freed, so that the next events do not sort the connections again. */
const FREED_FRACTION = 1 / 8

export class BacklogBudget {
  readonly #bytesMax: number
  readonly #connections = new Set<ConnectionBacklog>()
  #bytes = 0
  #isCutting = false

  constructor({ events: { backlogBytesMax } }: Limits) {
    this.#bytesMax = backlogBytesMax
  }

  /** Unsent bytes of all connections. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Adds a connection. Call `close` when the connection has ended.
   *
   * @param cutOff terminates the connection, and releases all its items before it returns
   */
  open(cutOff: () => void): ConnectionBacklog {
    const connection = new ConnectionBacklog(this, cutOff)
    this.#connections.add(connection)
    return connection
  }

  /** Called only by `ConnectionBacklog`. */
  change(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > this.#bytesMax) this.#cutSlowest()
  }

  /** Called only by `ConnectionBacklog`. */
  remove(connection: ConnectionBacklog): void {
    this.#connections.delete(connection)
  }

  #cutSlowest(): void {
    if (this.#isCutting) return
    this.#isCutting = true
    try {
      const now = performance.now()
      const slowestFirst = [...this.#connections].sort((one, other) => other.slowness(now) - one.slowness(now))
      for (const connection of slowestFirst) {
        if (this.#bytes <= this.#bytesMax * (1 - FREED_FRACTION) || connection.bytes === 0) return
        connection.cutOff()
      }
    } finally {
      this.#isCutting = false
    }
  }
}

/** The unsent items of one connection. */
export class ConnectionBacklog implements Backlog {
  readonly cutOff: () => void
  readonly #budget: BacklogBudget
  /** A shared item counts fully for each of its connections. */
  #bytes = 0
  #progressedAtMs = 0

  constructor(budget: BacklogBudget, cutOff: () => void) {
    this.#budget = budget
    this.cutOff = cutOff
  }

  get bytes(): number {
    return this.#bytes
  }

  add(item: BacklogItem): void {
    if (this.#bytes === 0) this.progressed()
    this.#bytes += item.bytes + item.bytesPerReader
    item.readerCount += 1
    this.#budget.change(item.bytesPerReader + (item.readerCount === 1 ? item.bytes : 0))
  }

  remove(item: BacklogItem): void {
    this.#bytes -= item.bytes + item.bytesPerReader
    item.readerCount -= 1
    this.#budget.change(-item.bytesPerReader - (item.readerCount === 0 ? item.bytes : 0))
  }

  /** Call this when part of the backlog has left the process. */
  progressed(): void {
    this.#progressedAtMs = performance.now()
  }

  /**
   * Unsent bytes multiplied by the time since the last progress: high for a client that has stopped reading, low for
   * one that reads, even if it gets a lot of data.
   */
  slowness(now: number): number {
    return this.#bytes * (1 + now - this.#progressedAtMs)
  }

  close(): void {
    this.#budget.remove(this)
  }
}
