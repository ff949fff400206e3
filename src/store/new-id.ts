/**
 * Creates UUIDs that sort in the order of their creation. `formats/ids` gives two UUIDs of the same millisecond a
 * random order; but lists sort by (time, id), and messages of the same millisecond must stay in order of arrival.
 */
import { uuidv7 } from '../formats/ids.ts'

export type NewId = (nowMs: number) => string

/** Random bytes fetched in one call: one call per id, for ten bytes, would cost more than the rest of the id. */
const POOL_BYTES = 10 * 256

/**
 * Within a millisecond, counts up in the 26 bits after the time, from a random start whose first bit is 0 (RFC 9562
 * §6.2, method 1); 48 bits are random.
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
    // uuidv7 overwrites bits 0–3 (version) and 16–17 (variant): 12 counter bits fit before the variant, 14 after it.
    bytes.writeUInt16BE((counter >>> 14) & 0x0fff, 0)
    bytes.writeUInt16BE(counter & 0x3fff, 2)
    return uuidv7(nowMs, bytes)
  }
}
