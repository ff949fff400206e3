/**
 * Deletes blobs that no row refers to: after the commit that removed the last reference, or when a message that was
 * prepared is not stored. Never call it before the commit: a rollback would leave rows without their bytes.
 *
 * Failure, crash: a blob that is left costs disk space only. A sweep deletes it by age (message-sweeps.ts).
 */
import type { Log } from '../../../log.ts'
import type { Blobs } from '../../../store/store.ts'

/** Never rejects. @param keys null: the bytes are in a row instead of a blob */
export type DiscardBlobs = (keys: readonly (string | null)[]) => Promise<void>

interface DiscardBlobsNeeds {
  readonly store: { readonly blobs: Pick<Blobs, 'delete'> }
  readonly log: Log
}

export function createDiscardBlobs({ store, log }: DiscardBlobsNeeds): DiscardBlobs {
  return async function discardBlobs(keys) {
    for (const key of keys) {
      if (key === null) continue
      try {
        await store.blobs.delete(key)
      } catch (error) {
        log.warn({ err: error, blobKey: key }, 'a blob could not be deleted; a later sweep deletes it')
      }
    }
  }
}
