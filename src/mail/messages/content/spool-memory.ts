/**
 * Limits the memory of the small messages that arrive or wait to be parsed (limits.parsing.waitingBytesMax). When it is
 * used up, a message is spooled to disk as a large one is, so a peer that sends slowly, or stops in the middle, can use
 * up this memory, but the messages of others still arrive.
 */
import type { Limits } from '../../../config/limits.ts'

/** The memory of one message. */
export interface SpoolMemory {
  /** Reserves more for this message. Returns false, and reserves nothing, if that would exceed the limit. */
  reserve(bytes: number): boolean
  /** Releases all memory of this message. */
  release(): void
}

/** @returns a function that opens the account of a message, with nothing reserved */
export function createSpoolMemory({ parsing }: Limits): () => SpoolMemory {
  let used = 0
  return () => {
    let own = 0
    return {
      reserve(bytes) {
        if (used + bytes > parsing.waitingBytesMax) return false
        used += bytes
        own += bytes
        return true
      },
      release() {
        used -= own
        own = 0
      },
    }
  }
}
