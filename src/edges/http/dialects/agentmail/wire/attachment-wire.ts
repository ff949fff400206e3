/** Attachments, and the links to their bytes (docs/compatibility/agentmail.md). */
import { Type } from 'typebox'
import type { Attachment as AttachmentView, DownloadLink } from '../../../../../mail/messages/views/message.ts'
import { named, Time, time, type Wire } from './shape-wire.ts'

const members = {
  attachment_id: Type.String(),
  filename: Type.Optional(Type.String()),
  size: Type.Integer({ description: 'Size in bytes after decoding.' }),
  content_type: Type.Optional(Type.String()),
  content_disposition: Type.Optional(Type.Enum(['inline', 'attachment'])),
  content_id: Type.Optional(Type.String({ description: 'Without angle brackets.' })),
}

export const Attachment = named('Attachment', members)

export function attachment(view: AttachmentView): Wire<typeof Attachment> {
  return {
    attachment_id: view.id,
    filename: view.filename,
    size: view.sizeBytes,
    content_type: view.contentType,
    content_disposition: view.disposition,
    content_id: view.contentId,
  }
}

const linkMembers = {
  download_url: Type.String({ description: 'Needs no key; valid until `expires_at`.' }),
  expires_at: Time,
}

/**
 * Returns the members for a download link: this dialect serves download tokens of the core (downloads.ts) at this URL.
 */
function link(publicUrl: string, download: DownloadLink) {
  return { download_url: `${publicUrl}/v0/downloads/${download.token}`, expires_at: time(download.expiresAt) }
}

export const AttachmentLink = named('AttachmentResponse', {
  ...members,
  ...linkMembers,
  text_url: Type.Optional(
    Type.String({ description: 'The text of a plain text, HTML or CSV file, in UTF-8. Valid until `expires_at`.' }),
  ),
})

export function attachmentLink(publicUrl: string, view: AttachmentView & DownloadLink): Wire<typeof AttachmentLink> {
  const { textToken, expiresAt } = view
  const text = textToken === undefined ? undefined : link(publicUrl, { token: textToken, expiresAt }).download_url
  return { ...attachment(view), ...link(publicUrl, view), text_url: text }
}

export const RawMessage = named('RawMessageResponse', {
  message_id: Type.String(),
  size: Type.Integer(),
  ...linkMembers,
})

export function rawMessage(
  publicUrl: string,
  view: { readonly messageId: string; readonly sizeBytes: number } & DownloadLink,
): Wire<typeof RawMessage> {
  return { message_id: view.messageId, size: view.sizeBytes, ...link(publicUrl, view) }
}
