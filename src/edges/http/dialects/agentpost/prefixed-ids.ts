/**
 * Ids as AgentPost writes them: a prefix for the kind of object, and 26 characters (formats/base32-ids.ts). They render our
 * UUIDs, so each has exactly one form, and the core never sees it.
 */
import { MailError } from '../../../../errors.ts'
import { fromBase32, fromPrefixedId, toBase32, toPrefixedId } from '../../../../formats/base32-ids.ts'

const kinds = {
  inb: 'Inbox',
  msg: 'Message',
  thr: 'Thread',
  drf: 'Draft',
  att: 'Attachment',
  env: 'Environment',
  org: 'Organization',
  evt: 'Event',
  dom: 'Domain',
  whk: 'Webhook',
  key: 'API key',
} as const

export type IdKind = keyof typeof kinds

/** @param uuid the id in the core */
export function shownId(kind: IdKind, uuid: string): string {
  return toPrefixedId(kind, uuid)
}

/** @throws not_found for a text of any other form: it names nothing */
export function readId(kind: IdKind, text: string): string {
  const uuid = fromPrefixedId(kind, text)
  if (uuid === undefined) throw new MailError('not_found', { what: kinds[kind] })
  return uuid
}

/** An inbox can also be named by its address. */
export function readInboxId(text: string): string {
  return text.includes('@') ? text : readId('inb', text)
}

const ID_CHARS = 26

/** Bytes are shared by messages, so an attachment is named together with its message. */
export function shownAttachmentId(messageId: string, attachmentId: string): string {
  return `att_${toBase32(messageId)}${toBase32(attachmentId)}`
}

/** @throws not_found */
export function readAttachmentId(text: string): { readonly messageId: string; readonly attachmentId: string } {
  const [, message, attachment] = new RegExp(`^att_(.{${ID_CHARS}})(.{${ID_CHARS}})$`).exec(text) ?? []
  const messageId = message === undefined ? undefined : fromBase32(message)
  const attachmentId = attachment === undefined ? undefined : fromBase32(attachment)
  if (messageId === undefined || attachmentId === undefined) throw new MailError('not_found', { what: kinds.att })
  return { messageId, attachmentId }
}

const UPLOAD_KEY = 'uploads/'

/** The key of an upload, for a client that puts it into a send. */
export function shownUploadKey(uploadId: string): string {
  return UPLOAD_KEY + toBase32(uploadId)
}

/** @throws not_found */
export function readUploadKey(text: string): string {
  const uuid = text.startsWith(UPLOAD_KEY) ? fromBase32(text.slice(UPLOAD_KEY.length)) : undefined
  if (uuid === undefined) throw new MailError('not_found', { what: 'Upload' })
  return uuid
}
