/**
 * The stored form of a webhook's request body: compressed, because a body contains the whole message, and the row of a
 * delivery outlives both.
 */
import { promisify } from 'node:util'
import { deflateRaw, inflateRawSync } from 'node:zlib'

/** Higher levels cost more time than they save bytes. */
const LEVEL = { level: 1 }

/** Works in a thread of zlib. */
export async function compressBody(body: string): Promise<Uint8Array> {
  return promisify(deflateRaw)(body, LEVEL)
}

/** Takes about 3 ms per megabyte. */
export function decompressBody(compressed: Uint8Array): string {
  return inflateRawSync(compressed).toString()
}
