/**
 * Blocks of signatures, turned by 90 degrees: a block has one slice per bit, and the slice says which of the block's texts
 * have the bit. So a query of ten bits reads ten short slices, not all signatures.
 *
 *   signatures of up to 256 texts ⇄ 6,000 slices of 32 bytes = 48 chunks of 125 slices
 *
 * A chunk is what the database stores in a row. It fits into a page of SQLite, and two fit into one of PostgreSQL.
 */
import { SIGNATURE_BITS, SIGNATURE_BYTES } from './search-signature.ts'

export const BLOCK_TEXTS = 256
export const SLICE_BYTES = BLOCK_TEXTS / 8
const CHUNK_SLICES = 125
export const BLOCK_CHUNKS = SIGNATURE_BITS / CHUNK_SLICES
const CHUNK_BYTES = CHUNK_SLICES * SLICE_BYTES

/** Where the slice of a bit is in its block. */
export function sliceOf(bit: number): { readonly chunk: number; readonly offset: number } {
  return { chunk: Math.floor(bit / CHUNK_SLICES), offset: (bit % CHUNK_SLICES) * SLICE_BYTES }
}

/** @returns the chunks of a block */
export function packSignatures(signatures: readonly Uint8Array[]): Uint8Array[] {
  const slices = new Uint8Array(SIGNATURE_BITS * SLICE_BYTES)
  for (const [position, signature] of signatures.entries()) {
    const [byte, mask] = [position >> 3, 1 << (position & 7)]
    for (let index = 0; index < SIGNATURE_BYTES; index += 1) {
      for (let rest = signature[index]!; rest !== 0; rest &= rest - 1) {
        const bit = index * 8 + (31 - Math.clz32(rest & -rest))
        slices[bit * SLICE_BYTES + byte]! |= mask
      }
    }
  }
  return Array.from({ length: BLOCK_CHUNKS }, (_, chunk) =>
    slices.slice(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES),
  )
}

/** The inverse of `packSignatures`, for some of the texts. */
export function unpackSignatures(chunks: readonly Uint8Array[], positions: readonly number[]): Uint8Array[] {
  return positions.map((position) => {
    const signature = new Uint8Array(SIGNATURE_BYTES)
    const [byte, mask] = [position >> 3, 1 << (position & 7)]
    for (let bit = 0; bit < SIGNATURE_BITS; bit += 1) {
      const { chunk, offset } = sliceOf(bit)
      if (chunks[chunk]![offset + byte]! & mask) signature[bit >> 3]! |= 1 << (bit & 7)
    }
    return signature
  })
}

/** Returns the positions that all slices contain. */
export function positionsInAll(slices: readonly Uint8Array[]): number[] {
  const positions: number[] = []
  for (let byte = 0; byte < SLICE_BYTES; byte += 1) {
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
