/**
 * UUIDs in the order in which they are made. `formats/ids` puts two of one millisecond in random order; lists sort by
 * (time, id), and mails of one millisecond should stay as they came.
 */
import { uuidv7 } from '../formats/ids.ts'

export type NewId = (nowMs: number) => string

/** Bytes drawn at once: a call for ten costs more than everything else about an id. */
const POOL_BYTES = 10 * 256

/**
 * Counts up inside a millisecond in the 26 bits behind the time, from a random start whose first bit is 0 (RFC 9562
 * §6.2, method 1); 48 random bits stay.
 */
export function createIds(random: (sizeBytes: number) => Buffer): NewId {
  let pool = random(POOL_BYTES)
  let offset = 0
  let lastMs = -1
  let counter = 0
  return (nowMs) => {
    if (offset === pool.length) {
      pool = random(POOL_BYTES)
      offset = 0
    }
    const bytes = pool.subarray(offset, offset + 10)
    offset += 10
    counter = nowMs === lastMs ? counter + 1 : bytes.readUInt32BE(0) >>> 7
    lastMs = nowMs
    // uuidv7 puts version and variant over bits 0–3 and 16–17, hence 12 bits before and 14 behind the variant.
    bytes.writeUInt16BE((counter >>> 14) & 0x0fff, 0)
    bytes.writeUInt16BE(counter & 0x3fff, 2)
    return uuidv7(nowMs, bytes)
  }
}
