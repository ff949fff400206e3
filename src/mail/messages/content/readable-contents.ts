/**
 * Reads contents for clients. A content whose file is lost or too short is reported as damaged, like one that cannot be decoded. (For other
 * callers, contents.ts reports a lost file as not_found, like a deleted content.) Clients must not take it for deleted: the operator may
 * still restore the file.
 */
import { isMailError } from '../../../errors.ts'
import type { Db } from '../../../store/handles.ts'
import type { Store } from '../../../store/store.ts'
import { getLocation } from '../../../store/tables/contents-table.ts'
import type { Contents } from './contents.ts'
import { DamagedContent } from './damaged-content.ts'

interface ReadableNeeds {
  readonly store: Pick<Store, 'db'>
  readonly contents: Contents
}

/** `read` throws DamagedContent when the file is lost, or ends before the range; and not_found only when the content was deleted. */
export function createReadableContents({ store, contents }: ReadableNeeds): Contents {
  return {
    async *read(contentId, range) {
      let readBytes = 0
      try {
        for await (const chunk of contents.read(contentId, range)) {
          readBytes += chunk.length
          yield chunk
        }
      } catch (error) {
        throw await lostOrDeleted(store.db, contentId, error)
      }
      const start = range?.start ?? 0
      if (range && readBytes >= range.end - start) return
      const location = await getLocation(store.db, contentId) // the range may end after the message
      if (location && readBytes < Math.min(range?.end ?? location.size_bytes, location.size_bytes) - start)
        throw new DamagedContent('the file of a message is too short')
    },
  }
}

/** @returns DamagedContent if the error says that a file was not found, and its content exists; otherwise the error */
export async function lostOrDeleted(db: Db, contentId: string, error: unknown): Promise<unknown> {
  // A row is deleted before its file: while it exists, so must the file.
  const isLost = isMailError(error, 'not_found') && (await getLocation(db, contentId)) !== undefined
  return isLost ? new DamagedContent('the file of a message is lost', { cause: error }) : error
}
