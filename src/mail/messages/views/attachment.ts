/** Renders an attachment's row as callers see it. */
import type { AttachmentRow } from '../../../store/schema/message-rows.ts'
import type { Attachment } from './message.ts'

export function showAttachment(row: AttachmentRow): Attachment {
  return {
    id: row.id,
    ...(row.filename !== null && { filename: row.filename }),
    contentType: row.content_type,
    disposition: row.disposition,
    ...(row.cid !== null && { contentId: row.cid }),
    sizeBytes: row.size_bytes,
  }
}
