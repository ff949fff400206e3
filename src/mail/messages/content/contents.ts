/**
 * Stores and reads the bytes of messages. Up to limits.store.inlineBytesMax they stay in memory and become part of the
 * transaction that refers to them (one fsync, not two). Larger ones are made durable as a blob before it.
 *
 * Crash between the blob and its transaction: a sweep removes the blob by age. No row refers to missing bytes.
 */

import { createHash } from 'node:crypto'
import type { Limits } from '../../../config/limits.ts'
import { isMailError, MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import type { AttachmentRow } from '../../../store/schema/message-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as table from '../../../store/tables/contents-table.ts'
import { showAttachment } from '../views/attachment.ts'
import type { Attachment } from '../views/message.ts'
import type { ParsedMail } from './parsed-message.ts'

/** A message's bytes, safe for a transaction to refer to. */
export interface Spooled {
  readonly sizeBytes: number
  readonly sha256: string
  /** Exactly one of the two. */
  readonly bytes?: Buffer
  readonly blobKey?: string
}

export interface Contents {
  /**
   * Reads a stream to its end.
   *
   * @param prefix trace fields to put before it; not counted against bytesMax
   * @throws message_too_large past bytesMax; what the source throws
   */
  spool(prefix: Buffer, source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Spooled>
  /** Loads all bytes into memory, for parsing. spool has limited them to its bytesMax. */
  load(spooled: Spooled): Promise<Buffer>
  /** Deletes blobs that no transaction refers to. A failure only leaves work to the sweep. */
  discard(...blobKeys: (string | null | undefined)[]): Promise<void>
  /** The same after a failure, unless a transaction may refer to them all the same. */
  discardAfter(error: unknown, ...blobKeys: (string | null | undefined)[]): Promise<void>
  /** Stores compressed bodies that are too large for a row as a blob; call it before the transaction. */
  spoolReading(parsedMail: ParsedMail): Promise<{ parsed: Uint8Array | null; parsedBlobKey: string | null }>
  /** @param range bytes [start, end) */
  read(contentId: string, range?: { start: number; end: number }): AsyncIterable<Buffer>
}

interface ContentsNeeds {
  readonly store: Store
  readonly limits: Limits
  /** Called with a blob that should have been removed and was not. */
  readonly onLeftover: (error: unknown, blobKey: string) => void
}

export function createContents({ store, limits, onLeftover }: ContentsNeeds): Contents {
  return {
    discard,

    async discardAfter(error, ...blobKeys) {
      if (!isMailError(error, 'outcome_unknown')) await discard(...blobKeys)
    },

    async spool(prefix, source, bytesMax) {
      const chunks: Uint8Array[] = prefix.length > 0 ? [prefix] : []
      let sizeBytes = prefix.length
      const iterator = bounded(source, bytesMax)[Symbol.asyncIterator]()
      for (;;) {
        const { value, done } = await iterator.next()
        if (done) return inMemory(Buffer.concat(chunks, sizeBytes))
        chunks.push(value)
        sizeBytes += value.length
        if (sizeBytes > limits.store.inlineBytesMax) break
      }
      const { key, ...stored } = await store.blobs.put(chain(chunks, iterator))
      return { ...stored, blobKey: key }
    },

    async load(spooled) {
      if (spooled.bytes) return spooled.bytes
      const chunks: Uint8Array[] = []
      for await (const chunk of store.blobs.get(spooled.blobKey!)) chunks.push(chunk)
      return Buffer.concat(chunks)
    },

    async spoolReading(parsedMail) {
      if (parsedMail.packed.length <= limits.store.inlineBytesMax)
        return { parsed: parsedMail.packed, parsedBlobKey: null }
      const { key } = await store.blobs.put(chain([parsedMail.packed]))
      return { parsed: null, parsedBlobKey: key }
    },

    async *read(contentId, range) {
      const place = await table.getPlace(store.db, contentId)
      if (!place) throw new MailError('not_found', { what: 'Message' })
      if (place.blob_key !== null) {
        for await (const chunk of store.blobs.get(place.blob_key, range)) yield asBuffer(chunk)
        return
      }
      const bytes = await table.getBytes(store.db, contentId)
      if (!bytes) throw new MailError('not_found', { what: 'Message' })
      yield asBuffer(range ? bytes.subarray(range.start, range.end) : bytes)
    },
  }

  async function discard(...blobKeys: (string | null | undefined)[]): Promise<void> {
    for (const key of blobKeys) {
      if (key === undefined || key === null) continue
      try {
        await store.blobs.delete(key)
      } catch (error) {
        onLeftover(error, key) // the sweep removes it; the caller has its own error to report
      }
    }
  }
}

/** A content whose rows are written, with the fields that messages show. */
export interface StoredContent {
  readonly id: string
  readonly sizeBytes: number
  readonly attachments: readonly Attachment[]
}

/** Writes the content's rows. */
export async function insertContent(
  tx: Tx,
  spooled: Spooled,
  parsedMail: ParsedMail,
  packed: { parsed: Uint8Array | null; parsedBlobKey: string | null },
): Promise<StoredContent> {
  const id = tx.newId()
  const attachments: AttachmentRow[] = parsedMail.attachments.map((attachment, position) => ({
    id: tx.newId(),
    content_id: id,
    position,
    filename: attachment.filename ?? null,
    content_type: attachment.contentType,
    disposition: attachment.disposition,
    cid: attachment.contentId ?? null,
    transfer_encoding: attachment.encoding,
    offset_bytes: attachment.offset,
    length_bytes: attachment.length,
    size_bytes: attachment.size,
  }))
  const row = {
    id,
    size_bytes: spooled.sizeBytes,
    sha256: spooled.sha256,
    bytes: spooled.bytes ?? null,
    blob_key: spooled.blobKey ?? null,
    parsed: packed.parsed,
    parsed_blob_key: packed.parsedBlobKey,
    verification: JSON.stringify(parsedMail.verification),
    created_at: tx.now,
  }
  await table.insert(tx, row, attachments)
  return { id, sizeBytes: spooled.sizeBytes, attachments: attachments.map(showAttachment) }
}

/**
 * Stores outgoing mail by Martlet itself, small and in memory. It is not parsed, because no message shows it from here.
 */
export async function insertOutgoing(tx: Tx, mail: Buffer): Promise<string> {
  const id = tx.newId()
  const { sizeBytes, sha256 } = inMemory(mail)
  const nothing = { blob_key: null, parsed: null, parsed_blob_key: null, verification: null }
  await table.insert(tx, { id, size_bytes: sizeBytes, sha256, bytes: mail, ...nothing, created_at: tx.now }, [])
  return id
}

function inMemory(bytes: Buffer): Spooled {
  return { sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), bytes }
}

async function* bounded(source: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Uint8Array, undefined> {
  let sizeBytes = 0
  for await (const chunk of source) {
    sizeBytes += chunk.length
    if (sizeBytes > bytesMax) throw new MailError('message_too_large', { limitBytes: bytesMax })
    yield chunk
  }
}

async function* chain(first: readonly Uint8Array[], rest?: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* first
  if (!rest) return
  for (;;) {
    const { value, done } = await rest.next()
    if (done) return
    yield value
  }
}

/** The same memory under the type that decoders accept. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
