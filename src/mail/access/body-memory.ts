/**
 * The memory that a caller provides for the messages that it requests. The edge implements it, because only the edge
 * knows how long they stay in memory: until a response has been sent.
 */

/** Memory for data that a request loads beside its own body. It is released when the request has ended. */
export interface RequestMemory {
  /** @throws too_many_bodies */
  add(bytes: number): void
}

export interface BodyMemory {
  /** A caller may use this much without a reservation. */
  readonly freeBytes: number
  /**
   * Reserves memory, instead of what the caller reserved before. 0 releases it.
   *
   * @returns whether the caller had to wait: what it has read may have changed, and its key may have been deleted
   * @throws too_many_responses
   */
  reserve(bytes: number): Promise<boolean>
  /** Resolves in a turn of the event loop in which no other large work runs. */
  nextTurn(): Promise<void>
}

/** Returns memory that reserves these bytes too each time, since a reservation replaces the one before. */
export function withMore(memory: BodyMemory, bytes: number): BodyMemory {
  return {
    freeBytes: Math.max(0, memory.freeBytes - bytes),
    reserve: (more) => memory.reserve(bytes + more),
    nextTurn: memory.nextTurn,
  }
}
