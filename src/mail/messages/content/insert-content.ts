/** The rows of a content, and the statements that store them with its message. Part of prepared-content.ts. */
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { AttachmentRow, ContentAddressRow, ContentRow } from '../../../store/schema/message-rows.ts'
import { insertOfContents } from '../../../store/tables/addresses-table.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import { showAttachment } from '../views/attachment.ts'
import type { Attachment } from '../views/message.ts'
import { headerAddresses } from './mail-addresses.ts'
import type { ParsedMail } from './parsed-message.ts'

/** Bytes that a transaction may refer to: in memory, or durable in a blob. */
export type Spooled =
  | { readonly bytes: Uint8Array; readonly blobKey: null }
  | { readonly bytes: null; readonly blobKey: string }

export type SpooledMail = Spooled & { readonly sizeBytes: number }

/** The rows of a content. */
export interface ContentRows {
  /** An earlier transaction has stored them. */
  readonly isStored?: true
  readonly row: ContentRow
  readonly attachments: readonly AttachmentRow[]
  readonly addresses: readonly ContentAddressRow[]
  /** The attachments as messages show them. */
  readonly shown: readonly Attachment[]
}

export function contentRows(tx: Tx, spooled: SpooledMail, parsed: ParsedMail, bodies: Spooled): ContentRows {
  const id = tx.newId()
  const attachments: AttachmentRow[] = parsed.attachments.map((attachment, position) => ({
    id: tx.newId(),
    content_id: id,
    position,
    filename: attachment.filename ?? null,
    content_type: attachment.contentType,
    disposition: attachment.disposition,
    cid: attachment.contentId ?? null,
    charset: attachment.charset ?? null,
    transfer_encoding: attachment.encoding,
    offset_bytes: attachment.offset,
    length_bytes: attachment.length,
    size_bytes: attachment.size,
  }))
  const row = {
    id,
    size_bytes: spooled.sizeBytes,
    bytes: (spooled.bytes && bodies.bytes && parsed.compressedSource) ?? spooled.bytes,
    blob_key: spooled.blobKey,
    parsed: bodies.bytes,
    parsed_blob_key: bodies.blobKey,
    parsed_size_bytes: parsed.compressedBodies.sizeBytes,
    parsed_head_bytes: parsed.compressedBodies.headBytes,
    envelope: parsed.envelope ?? null,
    verification: parsed.verification ? JSON.stringify(parsed.verification) : null,
    search_text: parsed.searchText,
    created_at: tx.now,
  }
  const addresses = headerAddresses(parsed).map((address) => ({ content_id: id, ...address }))
  return { row, attachments, addresses, shown: attachments.map(showAttachment) }
}

/** Returns the statements that store contents. */
export function contentSteps(contentsToStore: readonly ContentRows[]) {
  return [
    rowStep(
      contents.insertAll,
      contentsToStore.map(({ row }) => row),
    ),
    rowStep(
      contents.insertAttachments,
      contentsToStore.flatMap(({ attachments }) => attachments),
    ),
    rowStep(
      insertOfContents,
      contentsToStore.flatMap(({ addresses }) => addresses),
    ),
  ] as const
}

/**
 * Stores a small outgoing message by Martlet itself. It is not parsed, because no message shows this content: the inbox
 * that receives it stores its own.
 *
 * @returns the id of the content
 */
export async function insertUnparsed(tx: Tx, raw: Buffer): Promise<string> {
  const row = unparsedRow(tx, inMemory(raw))
  await tx.runRows([rowStep(contents.insertAll, [row])])
  return row.id
}

/** Returns the row of a content that is not parsed. */
export function unparsedRow(tx: Tx, { bytes, blobKey, sizeBytes }: SpooledMail): ContentRow {
  return {
    id: tx.newId(),
    size_bytes: sizeBytes,
    bytes,
    blob_key: blobKey,
    parsed: null,
    parsed_blob_key: null,
    parsed_size_bytes: 0,
    parsed_head_bytes: 0,
    envelope: null,
    verification: null,
    search_text: null,
    created_at: tx.now,
  }
}

export function inMemory(bytes: Buffer): SpooledMail {
  return { sizeBytes: bytes.length, bytes, blobKey: null }
}
