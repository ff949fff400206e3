/**
 * Prepares a message for the transaction that stores it, on its way in or out: all work that a transaction must not do.
 *
 *   spool the bytes → check → parse → spool the compressed bodies → insert, inside the caller's transaction
 *
 * Up to limits.store.inlineBytesMax, bytes stay in memory and become part of that transaction (one fsync, not two).
 * More bytes are made durable as a blob before it.
 *
 * Crash between the blob and its transaction: a sweep deletes the blob by age. No row refers to missing bytes.
 */

import { createHash } from 'node:crypto'
import type { Limits } from '../../../config/limits.ts'
import { isMailError, MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import type { AttachmentRow } from '../../../store/schema/message-rows.ts'
import type { Store } from '../../../store/store.ts'
import { insertOfContent } from '../../../store/tables/addresses-table.ts'
import * as table from '../../../store/tables/contents-table.ts'
import { showAttachment } from '../views/attachment.ts'
import type { Attachment } from '../views/message.ts'
import type { DiscardBlobs } from './discard-blobs.ts'
import { headerAddresses } from './mail-addresses.ts'
import type { MailParser } from './parse-worker.ts'
import type { ParsedMail } from './parsed-message.ts'

/** A message to prepare. */
export interface MailSource<Checked> {
  /** The network or organization that sends the message. Large messages are parsed round robin over these keys. */
  readonly fairnessKey: string
  /** The whole message in memory; or a stream of it, and the header fields to put before it. */
  readonly raw: Buffer | { readonly head: Buffer; readonly chunks: AsyncIterable<Uint8Array> }
  /** Maximum size of the message without `head`. */
  readonly bytesMax: number
  /** Runs when all bytes are spooled. If it throws, the message is not parsed. */
  readonly check?: () => Promise<Checked>
}

/** A message that a transaction can store. Its owner must insert or discard it. */
export interface PreparedContent<Checked = unknown> {
  readonly parsed: ParsedMail
  /** The result of `check`; undefined without one. */
  readonly checked: Checked
  /**
   * Writes the rows of the content. A transaction calls it at most once, also for several messages with these bytes.
   */
  insert(tx: Tx): Promise<StoredContent>
  /**
   * Deletes the blobs of a message that was not stored. Never rejects.
   *
   * @param error what the transaction threw. After outcome_unknown nothing is deleted, because rows may refer to the
   *   blobs; a sweep deletes them later if none does.
   */
  discard(error?: unknown): Promise<void>
}

/**
 * Spools and parses a message.
 *
 * @throws message_too_large, parse_queue_full, disk_full, unavailable, shutting_down, and what the stream or `check`
 *   throws; then nothing of the message is kept
 */
export type PrepareContent = <Checked = undefined>(source: MailSource<Checked>) => Promise<PreparedContent<Checked>>

/** A content whose rows are written, with the fields that messages show. */
export interface StoredContent {
  readonly id: string
  readonly sizeBytes: number
  readonly attachments: readonly Attachment[]
}

/** Bytes that a transaction may refer to: in memory, or durable in a blob. */
type Spooled =
  | { readonly bytes: Uint8Array; readonly blobKey: null }
  | { readonly bytes: null; readonly blobKey: string }

type SpooledMail = Spooled & { readonly sizeBytes: number; readonly sha256: string }

interface PrepareContentNeeds {
  readonly store: Pick<Store, 'blobs'>
  readonly mailParser: Pick<MailParser, 'parse'>
  readonly discardBlobs: DiscardBlobs
  readonly limits: Limits
}

export function createPrepareContent(needs: PrepareContentNeeds): PrepareContent {
  const { store, mailParser, discardBlobs, limits } = needs

  return async function prepareContent<Checked>(source: MailSource<Checked>): Promise<PreparedContent<Checked>> {
    const { fairnessKey, raw, bytesMax, check } = source
    const spooled = await spoolMail(raw, bytesMax)
    const blobKeys = [spooled.blobKey]

    async function discard(error?: unknown): Promise<void> {
      if (!isMailError(error, 'outcome_unknown')) await discardBlobs(blobKeys)
    }

    try {
      const checked = (await check?.()) as Checked
      const { sizeBytes } = spooled
      const load = async () => (Buffer.isBuffer(raw) ? raw : loadMail(spooled))
      const parsed = await mailParser.parse({ fairnessKey, sizeBytes, load })
      const bodies = await spoolBodies(parsed.compressedBodies.bytes)
      blobKeys.push(bodies.blobKey)
      return { parsed, checked, insert: (tx) => insertContent(tx, spooled, parsed, bodies), discard }
    } catch (error) {
      await discard(error)
      throw error
    }
  }

  async function spoolMail(raw: MailSource<unknown>['raw'], bytesMax: number): Promise<SpooledMail> {
    const { head, chunks } = Buffer.isBuffer(raw) ? { head: Buffer.alloc(0), chunks: chain([raw]) } : raw
    const read: Uint8Array[] = head.length > 0 ? [head] : []
    let sizeBytes = head.length
    const iterator = bounded(chunks, bytesMax)[Symbol.asyncIterator]()
    for (;;) {
      const { value, done } = await iterator.next()
      if (done) return inMemory(Buffer.concat(read, sizeBytes))
      read.push(value)
      sizeBytes += value.length
      if (sizeBytes > limits.store.inlineBytesMax) break
    }
    const { key, ...stored } = await store.blobs.put(chain(read, iterator))
    return { ...stored, bytes: null, blobKey: key }
  }

  /** Called when it is the message's turn to be parsed, so that messages in the queue occupy no memory. */
  async function loadMail({ bytes, blobKey }: Spooled): Promise<Buffer> {
    if (bytes) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const chunks: Uint8Array[] = []
    for await (const chunk of store.blobs.get(blobKey)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  async function spoolBodies(compressed: Uint8Array): Promise<Spooled> {
    if (compressed.length <= limits.store.inlineBytesMax) return { bytes: compressed, blobKey: null }
    const { key } = await store.blobs.put(chain([compressed]))
    return { bytes: null, blobKey: key }
  }
}

async function insertContent(
  tx: Tx,
  spooled: SpooledMail,
  parsed: ParsedMail,
  bodies: Spooled,
): Promise<StoredContent> {
  const id = tx.newId()
  const attachments: AttachmentRow[] = parsed.attachments.map((attachment, position) => ({
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
    bytes: spooled.bytes,
    blob_key: spooled.blobKey,
    parsed: bodies.bytes,
    parsed_blob_key: bodies.blobKey,
    parsed_size_bytes: parsed.compressedBodies.sizeBytes,
    parsed_head_bytes: parsed.compressedBodies.headBytes,
    verification: JSON.stringify(parsed.verification),
    created_at: tx.now,
  }
  await table.insert(tx, row, attachments)
  await insertOfContent(tx, id, headerAddresses(parsed))
  return { id, sizeBytes: spooled.sizeBytes, attachments: attachments.map(showAttachment) }
}

/**
 * Stores a small outgoing message by Martlet itself. It is not parsed, because no message shows this content: the inbox
 * that receives it stores its own.
 *
 * @returns the id of the content
 */
export async function insertUnparsed(tx: Tx, raw: Buffer): Promise<string> {
  const id = tx.newId()
  const { bytes, sizeBytes, sha256 } = inMemory(raw)
  const row = {
    id,
    size_bytes: sizeBytes,
    sha256,
    bytes,
    blob_key: null,
    parsed: null,
    parsed_blob_key: null,
    parsed_size_bytes: 0,
    parsed_head_bytes: 0,
    verification: null,
    created_at: tx.now,
  }
  await table.insert(tx, row, [])
  return id
}

function inMemory(bytes: Buffer): SpooledMail {
  return { sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), bytes, blobKey: null }
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
