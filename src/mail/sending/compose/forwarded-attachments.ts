/**
 * The attachments of a message that is forwarded: counted before anything is read, then decoded into memory that the caller
 * has reserved.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import { decodePartStream } from '../../../formats/mime/transfer-encoding.ts'
import type { AttachmentRow } from '../../../store/schema/message-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as contentsTable from '../../../store/tables/contents-table.ts'
import type { StoredMessageRow } from '../../../store/tables/messages-table.ts'
import type { Contents } from '../../messages/content/contents.ts'
import { checkAttachmentCount } from './checked-message.ts'
import { COMPOSED_COPIES } from './compose-mail.ts'
import type { OutgoingAttachment } from './outgoing.ts'

/** Attachments whose count and size are known, and fit into one message. */
export interface ForwardedAttachments {
  /** What the caller reserves before `read`: they are decoded, composed and parsed. */
  readonly memoryBytes: number
  read(): Promise<OutgoingAttachment[]>
}

/**
 * @param row the message that is forwarded
 * @param ownSizes decoded bytes of each attachment that the forward adds; 0 where they are not known yet
 * @throws validation_error, message_too_large
 */
export type OpenForwarded = (
  row: Pick<StoredMessageRow, 'content_id'>,
  ownSizes: readonly number[],
) => Promise<ForwardedAttachments>

interface OpenForwardedNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'messageBytesMax' | 'limits'>
  readonly contents: Contents
}

export function createOpenForwarded({ store, config, contents }: OpenForwardedNeeds): OpenForwarded {
  const { messageBytesMax, limits } = config

  return async function openForwarded(row, ownSizes) {
    const parts = await contentsTable.listAttachments(store.db, [row.content_id])
    checkAttachmentCount(ownSizes.length + parts.length, limits)
    const bytes = parts.reduce((sum, part) => sum + part.size_bytes, 0)
    const ownBytes = ownSizes.reduce((sum, size) => sum + size, 0)
    // compose-mail.ts limits the message itself, which is larger.
    if (ownBytes + bytes > messageBytesMax) throw new MailError('message_too_large', { limitBytes: messageBytesMax })
    return { memoryBytes: bytes * COMPOSED_COPIES, read: () => readAll(row.content_id, parts) }
  }

  async function readAll(contentId: string, parts: readonly AttachmentRow[]): Promise<OutgoingAttachment[]> {
    const attachments: OutgoingAttachment[] = []
    for (const part of parts) {
      const range = { start: part.offset_bytes, end: part.offset_bytes + part.length_bytes }
      const decoded: Buffer[] = []
      // Decode in chunks: decoding 50 MB in one step would block all other requests.
      for await (const chunk of decodePartStream(contents.read(contentId, range), part.transfer_encoding))
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
