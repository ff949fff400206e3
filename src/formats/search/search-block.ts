/**
 * Blocks of signatures, turned by 90 degrees: a block has one slice per bit, and the slice says which of the block's texts
 * have the bit. So a query of ten bits reads ten short slices, not all signatures.
 *
 *   signatures of up to 256 texts ⇄ 6,000 slices of up to 32 bytes = 48 chunks of 125 slices
 *
 * A chunk is what the database stores in a row. It fits into a page of SQLite, and two fit into one of PostgreSQL. A block of fewer
 * texts has shorter slices.
 */
import { SIGNATURE_BITS, SIGNATURE_BYTES } from './search-signature.ts'

export const BLOCK_TEXTS = 256
export const CHUNK_SLICES = 125
export const BLOCK_CHUNKS = SIGNATURE_BITS / CHUNK_SLICES
/** Slices have a multiple of this length. */
const SLICE_STEP_BYTES = 4

/** Length of the slices of a block of so many texts. */
export function sliceBytesOf(texts: number): number {
  return Math.max(1, Math.ceil(texts / 8 / SLICE_STEP_BYTES)) * SLICE_STEP_BYTES
}

/** Where the slice of a bit is in its block: the chunk, and the position among its slices. */
export function sliceOf(bit: number): { readonly chunk: number; readonly position: number } {
  return { chunk: Math.floor(bit / CHUNK_SLICES), position: bit % CHUNK_SLICES }
}

/** @returns the chunks of a block */
export function packSignatures(signatures: readonly Uint8Array[]): Uint8Array[] {
  const sliceBytes = sliceBytesOf(signatures.length)
  const chunkBytes = CHUNK_SLICES * sliceBytes
  const slices = new Uint8Array(SIGNATURE_BITS * sliceBytes)
  for (const [position, signature] of signatures.entries()) {
    const [byte, mask] = [position >> 3, 1 << (position & 7)]
    for (let index = 0; index < SIGNATURE_BYTES; index += 1) {
      for (let rest = signature[index]!; rest !== 0; rest &= rest - 1) {
        const bit = index * 8 + (31 - Math.clz32(rest & -rest))
        slices[bit * sliceBytes + byte]! |= mask
      }
    }
  }
  return Array.from({ length: BLOCK_CHUNKS }, (_, chunk) => slices.slice(chunk * chunkBytes, (chunk + 1) * chunkBytes))
}

/** The inverse of `packSignatures`, for some of the texts. */
export function unpackSignatures(chunks: readonly Uint8Array[], positions: readonly number[]): Uint8Array[] {
  const sliceBytes = chunks[0]!.length / CHUNK_SLICES
  return positions.map((position) => {
    const signature = new Uint8Array(SIGNATURE_BYTES)
    const [byte, mask] = [position >> 3, 1 << (position & 7)]
    for (let bit = 0; bit < SIGNATURE_BITS; bit += 1) {
      const { chunk, position: slice } = sliceOf(bit)
      if (chunks[chunk]![slice * sliceBytes + byte]! & mask) signature[bit >> 3]! |= 1 << (bit & 7)
    }
    return signature
  })
}

/** Returns the positions that all slices of a block contain. */
export function positionsInAll(slices: readonly Uint8Array[]): number[] {
  const positions: number[] = []
  for (let byte = 0; byte < (slices[0]?.length ?? BLOCK_TEXTS / 8); byte += 1) {
    let bits = 0xff
    for (const slice of slices) bits &= slice[byte]!
    for (let rest = bits; rest !== 0; rest &= rest - 1) positions.push(byte * 8 + (31 - Math.clz32(rest & -rest)))
  }
  return positions
}

/** Stores ascending numbers in about one byte each: the difference to the one before, seven bits per byte. */
export function encodeNumbers(numbers: readonly number[]): Uint8Array {
  const bytes: number[] = []
  let last = 0
  for (const number of numbers) {
    let rest = number - last
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
    bytes.push(rest)
    last = number
  }
  return Uint8Array.from(bytes)
}

export function decodeNumbers(bytes: Uint8Array): number[] {
  const numbers: number[] = []
  let [last, difference, weight] = [0, 0, 1]
  for (const byte of bytes) {
    difference += (byte & 127) * weight
    weight *= 128
    if (byte >= 128) continue
    last += difference
    numbers.push(last)
    ;[difference, weight] = [0, 1]
  }
  return numbers
}
