/** Repeatable random values for fuzz tests: a failure names its seed, and the seed repeats it. */

export interface Random {
  /** Returns an integer n with 0 ≤ n < below. */
  below: (below: number) => number
  bytes: (length: number) => Buffer
  pick: <T>(values: readonly T[]) => T
}

/** mulberry32: small, fast, and the same on every machine. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    below,
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
    pick: (values) => values[below(values.length)]!,
  }
}

/** Returns a copy of `source` with a few bytes changed, removed, doubled or moved, as broken relays and fuzzers do. */
export function mutate(source: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(source)
  for (let changes = 1 + random.below(6); changes > 0; changes--) {
    const at = random.below(bytes.length + 1)
    const length = random.below(40)
    const other = random.below(bytes.length + 1)
    const change = random.below(5)
    if (change === 0 && at < bytes.length) bytes[at] = random.below(256)
    else if (change === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
    else if (change === 2)
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(other, other + length), bytes.subarray(at)])
    else if (change === 3)
      bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(random.below(8)), bytes.subarray(at)])
    else bytes = bytes.subarray(0, at)
  }
  return bytes
}
