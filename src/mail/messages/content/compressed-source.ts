/**
 * The stored form of the bytes of a message. The text of a message is in its bytes and in its parsed bodies: so the bodies,
 * which are read often, are the dictionary with which the bytes are compressed, to a tenth of their size.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { StoredBytes } from '../../../store/tables/contents-table.ts'
import { type BodiesJson, SMALL_DEFLATE } from './compressed-bodies.ts'
import { decodeStored } from './damaged-content.ts'

/** Larger messages consist mostly of attachments, which are compressed already or for which this takes too long. */
const SOURCE_BYTES_MAX = 64 * 1024
/** deflate refers to at most this many bytes before the current one. */
const DICTIONARY_BYTES = 32 * 1024
/** The window of SMALL_DEFLATE. */
const SMALL_WINDOW_BYTES = 16 * 1024
const LARGE_DEFLATE = { ...SMALL_DEFLATE, windowBits: 15, memLevel: 8 }

/** @returns undefined if the message is too large, or not smaller when it is compressed */
export function compressSource(source: Uint8Array, { first: bodies, rest }: BodiesJson): Uint8Array | undefined {
  if (source.length > SOURCE_BYTES_MAX || rest !== undefined) return undefined
  const dictionary = bodies.subarray(-DICTIONARY_BYTES)
  // A small window reaches only a part of a long dictionary.
  const options = dictionary.length <= SMALL_WINDOW_BYTES ? SMALL_DEFLATE : LARGE_DEFLATE
  const compressed = deflateRawSync(source, { ...options, dictionary })
  return compressed.length < source.length ? compressed : undefined
}

/** Returns the bytes of the message. @throws DamagedContent */
export function sourceOf({ bytes, sizeBytes, parsed }: StoredBytes): Uint8Array {
  if (bytes.length === sizeBytes) return bytes
  return decodeStored(() => {
    const dictionary = inflateRawSync(parsed!).subarray(-DICTIONARY_BYTES)
    return inflateRawSync(bytes, { dictionary, maxOutputLength: sizeBytes })
  })
}
