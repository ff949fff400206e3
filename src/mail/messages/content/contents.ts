/**
 * Reads the bytes of stored messages: from the content's row, or from a blob when they are large. prepared-content.ts
 * writes them.
 */

import { MailError } from '../../../errors.ts'
import type { Store } from '../../../store/store.ts'
import type { ContentLocation } from '../../../store/tables/contents-table.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import { sourceOf } from './compressed-source.ts'

export interface Contents {
  /**
   * @param range bytes [start, end); default: the whole message
   * @throws not_found when the content was deleted; unavailable
   */
  read(contentId: string, range?: { start: number; end: number }): AsyncIterable<Buffer>
}

export function createContents({ store }: { readonly store: Pick<Store, 'db' | 'blobs'> }): Contents {
  return {
    async *read(contentId, range) {
      const stored = await contents.getSource(store.db, contentId)
      if (stored && stored.blobKey !== null) {
        for await (const chunk of store.blobs.get(stored.blobKey, range)) yield asBuffer(chunk)
        return
      }
      if (!stored?.bytes) throw new MailError('not_found', { what: 'Message' })
      const bytes = sourceOf({ ...stored, bytes: stored.bytes })
      yield asBuffer(range ? bytes.subarray(range.start, range.end) : bytes)
    },
  }
}

/**
 * Reads bytes in one piece: for callers that know that these are few, or have reserved the memory.
 *
 * @throws as `Contents.read`
 */
export async function loadContent(
  contents: Contents,
  contentId: string,
  range?: { readonly start: number; readonly end: number },
): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of contents.read(contentId, range)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/**
 * Returns a function that reads a message from its beginning on each call, as `Contents.read` does. One of at most `keptBytesMax`
 * bytes is read once and stays in memory.
 */
export function readAgain(
  contents: Contents,
  { id, size_bytes }: ContentLocation,
  keptBytesMax: number,
): () => AsyncIterable<Buffer> {
  const range = { start: 0, end: size_bytes }
  let kept: Promise<Buffer> | undefined
  return async function* read() {
    if (size_bytes > keptBytesMax) return yield* contents.read(id, range)
    kept ??= loadContent(contents, id, range)
    yield await kept
  }
}

/**
 * Reads the first bytes into memory of their own, chunk by chunk: of a large message, it holds the event loop up for no time, as copying all
 * chunks at once would.
 *
 * @param sizeBytes at most the size of the message
 * @throws as `Contents.read`
 */
export async function loadBeginning(contents: Contents, contentId: string, sizeBytes: number): Promise<Buffer> {
  const all = Buffer.allocUnsafeSlow(sizeBytes)
  let end = 0
  for await (const chunk of contents.read(contentId, { start: 0, end: sizeBytes })) end += chunk.copy(all, end)
  return all.subarray(0, end)
}

/** Returns the same memory under the type that decoders accept. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
