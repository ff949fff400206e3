/** The parts of the program that follow inboxes: they get a signal after each event, and read the tables. Part of feed.ts. */
import type { EventRow } from '../../../store/schema/event-rows.ts'

export class InboxFollowers {
  readonly #byInbox = new Map<string, Set<() => void>>()

  /** The number of inboxes that are followed. */
  get size(): number {
    return this.#byInbox.size
  }

  /** @returns removes it */
  add(inboxId: string, listener: () => void): () => void {
    const listeners = this.#byInbox.get(inboxId) ?? new Set()
    this.#byInbox.set(inboxId, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#byInbox.get(inboxId) === listeners) this.#byInbox.delete(inboxId)
    }
  }

  signalAll(): void {
    for (const listeners of this.#byInbox.values()) for (const listener of listeners) listener()
  }

  signal(rows: readonly EventRow[]): void {
    if (this.#byInbox.size === 0) return
    const inboxIds = new Set(rows.map((row) => row.inbox_id))
    for (const id of inboxIds) {
      if (id !== null) for (const listener of this.#byInbox.get(id) ?? []) listener()
    }
  }
}
