/** Uploads and downloads of files (docs/compatibility/assmbl.md). */
import { MailError } from '../../../../../errors.ts'
import { isUuid } from '../../../../../formats/ids.ts'
import type { UploadTicket } from '../../../../../mail/sending/uploads/upload.ts'

/** The path of files at signed links: GET downloads, POST uploads. */
export const FILES = '/attachments/files'

export function fileUrl(publicUrl: string, token: string): string {
  return `${publicUrl}${FILES}/${token}`
}

/** The name of an upload begins with the agent that made it. */
function objectKey(agent: string, uploadId: string): string {
  return `uploads/${agent}/${uploadId}`
}

/** @returns the id of the upload @throws not_found for a key of another agent, and for anything else */
export function readObjectKey(agent: string, key: string): string {
  const id = key.slice(key.lastIndexOf('/') + 1)
  if (!isUuid(id) || key !== objectKey(agent, id)) throw new MailError('not_found', { what: 'Upload' })
  return id
}

/** In `upload`, all members besides `url` are fields of the form that is posted, before its file. */
export function uploadTicket(ticket: UploadTicket, agent: string, publicUrl: string) {
  const object_key = objectKey(agent, ticket.id)
  return {
    object_key,
    upload: { url: fileUrl(publicUrl, ticket.token), key: object_key, 'Content-Type': ticket.contentType },
    max_bytes: ticket.sizeBytesMax,
    expires_at: new Date(ticket.urlExpiresAt).toISOString(),
  }
}

export function downloadLink(publicUrl: string, link: { readonly token: string; readonly expiresAt: number }) {
  return { url: fileUrl(publicUrl, link.token), expires_at: new Date(link.expiresAt).toISOString() }
}
