/**
 * Prepares bytes that are no message, such as an attachment of a draft, for the transaction that stores them as a content.
 * As prepared-content.ts does, it keeps few bytes in memory, for the transaction, and makes more durable as a blob.
 *
 * Crash between the blob and its transaction: a sweep deletes the blob by age.
 */
import { isMailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import type { DiscardBlobs } from './discard-blobs.ts'
import { inMemory, type SpooledMail, unparsedRow } from './insert-content.ts'

/** Bytes that a transaction can store. Their owner must insert or discard them. */
export interface PreparedBytes {
  readonly sizeBytes: number
  /** Stores them. @returns the id of the content */
  insert(tx: Tx): Promise<string>
  /** Deletes the blob of bytes that were not stored. Never rejects. @param error what the transaction threw */
  discard(error?: unknown): Promise<void>
}

/**
 * @param inlineBytesMax more bytes become a blob
 * @throws disk_full, unavailable
 */
export type PrepareBytes = (bytes: Buffer, inlineBytesMax: number) => Promise<PreparedBytes>

interface PrepareBytesNeeds {
  readonly store: Pick<Store, 'blobs'>
  readonly discardBlobs: DiscardBlobs
}

export function createPrepareBytes({ store, discardBlobs }: PrepareBytesNeeds): PrepareBytes {
  return async function prepareBytes(bytes, inlineBytesMax) {
    const spooled = bytes.length <= inlineBytesMax ? inMemory(bytes) : await spool(bytes)
    return {
      sizeBytes: bytes.length,
      async insert(tx) {
        const row = unparsedRow(tx, spooled)
        await tx.runRows([rowStep(contents.insertAll, [row])])
        return row.id
      },
      async discard(error) {
        // After outcome_unknown, rows may refer to the blob; a sweep deletes it later if none does.
        if (!isMailError(error, 'outcome_unknown')) await discardBlobs([spooled.blobKey])
      },
    }
  }

  async function spool(bytes: Buffer): Promise<SpooledMail> {
    const { key, sizeBytes } = await store.blobs.put(only(bytes))
    return { bytes: null, blobKey: key, sizeBytes }
  }
}

async function* only(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
