/**
 * The stored form of the bytes of a message. The text of a message is in its bytes and in its parsed bodies: so the bodies,
 * which are read often, are the dictionary with which the bytes are compressed, to a tenth of their size.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { StoredBytes } from '../../../store/tables/contents-table.ts'
import type { CompressedBodies } from './compressed-bodies.ts'

/** Larger messages consist mostly of attachments, which are compressed already or for which this takes too long. */
const SOURCE_BYTES_MAX = 64 * 1024
/** deflate refers to at most this many bytes before the current one. */
const DICTIONARY_BYTES = 32 * 1024

/** @returns undefined if the message is too large, or not smaller when it is compressed */
export function compressSource(source: Uint8Array, bodies: CompressedBodies): Uint8Array | undefined {
  if (source.length > SOURCE_BYTES_MAX || bodies.headBytes > 0) return undefined
  const compressed = deflateRawSync(source, { level: 1, dictionary: dictionaryOf(bodies.bytes) })
  return compressed.length < source.length ? compressed : undefined
}

/** Returns the bytes of the message. */
export function sourceOf({ bytes, sizeBytes, parsed }: StoredBytes): Uint8Array {
  if (bytes.length === sizeBytes) return bytes
  return inflateRawSync(bytes, { dictionary: dictionaryOf(parsed!), maxOutputLength: sizeBytes })
}

function dictionaryOf(compressedBodies: Uint8Array): Uint8Array {
  return inflateRawSync(compressedBodies).subarray(-DICTIONARY_BYTES)
}
