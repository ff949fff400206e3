/** Decodes the attachments of a forwarded message into memory, up to the size limit of a message. */
import { decodePartStream } from '../../../formats/mime/transfer-encoding.ts'
import type { Store } from '../../../store/store.ts'
import * as contentsTable from '../../../store/tables/contents-table.ts'
import type { StoredMessageRow } from '../../../store/tables/messages-table.ts'
import type { Contents } from '../../messages/content/contents.ts'
import type { OutgoingAttachment } from './outgoing.ts'

export function createForwardedAttachments({
  store,
  contents,
}: {
  readonly store: Store
  readonly contents: Contents
}) {
  return async function attachmentsOf(row: StoredMessageRow): Promise<OutgoingAttachment[]> {
    const attachments: OutgoingAttachment[] = []
    for (const part of await contentsTable.listAttachments(store.db, [row.content_id])) {
      const range = { start: part.offset_bytes, end: part.offset_bytes + part.length_bytes }
      const decoded: Buffer[] = []
      // Decode in chunks: decoding 50 MB in one step would block all other requests.
      for await (const chunk of decodePartStream(contents.read(row.content_id, range), part.transfer_encoding))
        decoded.push(chunk)
      attachments.push({
        ...(part.filename !== null && { filename: part.filename }),
        contentType: part.content_type,
        disposition: part.disposition,
        ...(part.cid !== null && { contentId: part.cid }),
        bytes: Buffer.concat(decoded),
      })
    }
    return attachments
  }
}
