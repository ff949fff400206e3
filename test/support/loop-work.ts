/**
 * Counts what this thread does with bytes, by turns of its event loop: calls of the functions of Buffer that search, decode or copy, and of hashes,
 * and one more for each KIB that they do it with. So a test sees how long a turn is without a clock, on a machine with any load.
 */
import { Hash } from 'node:crypto'
import { setImmediate } from 'node:timers'

const KIB = 1024

export interface LoopWork {
  /** Units of the busiest turn since the last call. */
  longest(): number
  stop(): void
}

type Method = (this: Buffer, ...given: unknown[]) => unknown

export function countLoopWork(): LoopWork {
  let current = 0
  let longest = 0
  let isStopped = false
  const prototype = Buffer.prototype as unknown as Record<string, Method>
  const originals = new Map<string, Method>()
  const concat = Buffer.concat
  const hashes = Hash.prototype as { update: (this: Hash, data: string | Uint8Array, ...given: unknown[]) => Hash }
  const { update } = hashes

  const count = (name: string, bytesOf: (buffer: Buffer, given: readonly unknown[], result: unknown) => number) => {
    const original = prototype[name]!
    originals.set(name, original)
    prototype[name] = function counted(...given) {
      const result = original.apply(this, given)
      current += 1 + bytesOf(this, given, result) / KIB
      return result
    }
  }
  const number = (value: unknown, otherwise: number) => (typeof value === 'number' ? value : otherwise)
  count('indexOf', ({ length }, [, from], found) => {
    return (found === -1 ? length : (found as number)) - Math.max(0, number(from, 0))
  })
  count('includes', ({ length }) => length)
  count('toString', ({ length }, [, start, end]) => number(end, length) - number(start, 0))
  count('copy', ({ length }, [, , start, end]) => number(end, length) - number(start, 0))
  Buffer.concat = (list, size) => {
    const all = concat(list, size)
    current += list.length + all.length / KIB
    return all
  }

  hashes.update = function counted(data, ...given) {
    current += 1 + data.length / KIB
    return update.call(this, data, ...given)
  }

  const turn = () => {
    longest = Math.max(longest, current)
    current = 0
    if (!isStopped) setImmediate(turn)
  }
  setImmediate(turn)

  return {
    longest() {
      const found = Math.max(longest, current)
      longest = 0
      current = 0
      return found
    },
    stop() {
      isStopped = true
      for (const [name, original] of originals) prototype[name] = original
      Buffer.concat = concat
      hashes.update = update
    },
  }
}
