/** The header of a message as a check wants it (prepared-content.ts): fields before it, and parts of it left out, in one pass. */
import { FieldFilter } from '../../../formats/mime/field-filter.ts'

export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface HeaderChange {
  /** Fields to put before the message. */
  readonly head?: Buffer
  /** Parts of the message to leave out, in order. */
  readonly removed?: readonly ByteRange[]
  /** Left out too: all fields of this name, of a header that ends there. For fields that are too many for `removed`. */
  readonly removedFields?: { readonly lowerName: string; readonly headerEnd: number } | undefined
}

export function isUnchanged({ head, removed = [], removedFields }: HeaderChange): boolean {
  return !head && removed.length === 0 && !removedFields
}

export function changedBytes(bytes: Uint8Array, change: HeaderChange): Buffer {
  const { write, end } = openChange(change)
  return Buffer.concat([change.head ?? NONE, write(bytes), end()])
}

/** Passes the chunks of a whole message on, with the change. */
export async function* changedChunks(
  chunks: AsyncIterable<Uint8Array>,
  change: HeaderChange,
): AsyncGenerator<Uint8Array> {
  const { write, end } = openChange(change)
  if (change.head) yield change.head
  for await (const chunk of chunks) yield write(chunk)
  yield end()
}

const NONE = Buffer.alloc(0)

function openChange({ removed = [], removedFields }: HeaderChange): {
  write(chunk: Uint8Array): Uint8Array
  end(): Uint8Array
} {
  const leaveOut = leaveOutRanges(removed)
  if (!removedFields) return { write: leaveOut, end: () => NONE }
  const { lowerName, headerEnd } = removedFields
  const removedBytes = removed.reduce((sum, { start, end }) => sum + end - start, 0)
  const filter = new FieldFilter(lowerName, headerEnd - removedBytes)
  return { write: (chunk) => filter.write(leaveOut(chunk)), end: () => filter.end() }
}

/** @param removed in order. A function is called with one chunk after the other, and returns what is left of it */
function leaveOutRanges(removed: readonly ByteRange[]): (chunk: Uint8Array) => Uint8Array {
  let readBytes = 0
  let next = 0
  return (chunk) => {
    const start = readBytes
    const end = start + chunk.length
    readBytes = end
    const kept: Uint8Array[] = []
    for (let from = start; from < end; ) {
      const range = removed[next]
      const keptEnd = Math.min(range?.start ?? end, end)
      if (from < keptEnd) kept.push(chunk.subarray(from - start, keptEnd - start))
      from = range && range.start < end ? Math.min(range.end, end) : end
      if (range && range.end <= end) next += 1
    }
    return kept.length === 1 ? kept[0]! : Buffer.concat(kept)
  }
}
