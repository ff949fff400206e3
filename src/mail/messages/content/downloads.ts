/**
 * Links to bytes that work without a key until they expire: clients pass them to programs without API keys.
 *
 * A token contains the object and the expiry (mail/access/signed-tokens.ts). Nothing is stored, and a link stops working
 * when the message, draft or upload is deleted.
 */

import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { decodePartStream } from '../../../formats/mime/transfer-encoding.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as contentsTable from '../../../store/tables/contents-table.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import * as uploads from '../../../store/tables/uploads-table.ts'
import type { SignedTokens } from '../../access/signed-tokens.ts'
import type { Tenant } from '../../jobs/capacity-shares.ts'
import type { DownloadedFile, DownloadLink } from '../views/message.ts'
import { createAttachmentText, hasText, type TextSource } from './attachment-text.ts'
import { type Contents, loadContent } from './contents.ts'
import { DamagedContent, type ReportDamage } from './damaged-content.ts'

type Target =
  /** Without attachmentId: the raw message. */
  | {
      readonly messageId: string
      readonly attachmentId?: string
      readonly draftId?: undefined
      readonly uploadId?: undefined
    }
  | { readonly draftId: string; readonly attachmentId: string; readonly uploadId?: undefined }
  /** A file that a client has uploaded and not sent yet (mail/sending/uploads). */
  | { readonly uploadId: string; readonly attachmentId?: undefined; readonly draftId?: undefined }

/** A file, the charset of a text, and whose it is. */
type OpenedFile = DownloadedFile & { readonly charset?: string; readonly tenant: Tenant }

type VerifiedTarget = Target & { readonly isText: boolean }

export interface Downloads {
  /** @param file what an attachment is, if its text may be offered too */
  link(target: Target, file?: Pick<TextSource, 'contentType' | 'sizeBytes'>): Promise<DownloadLink>
  /**
   * @throws not_found for an invalid or expired token, and when the message or draft was deleted; DamagedContent, also if the last byte
   *   cannot be read
   */
  open(token: string): Promise<DownloadedFile>
}

interface DownloadsNeeds {
  readonly store: Store
  /** `createReadableContents`. */
  readonly contents: Contents
  readonly reportDamage: ReportDamage
  readonly tokens: SignedTokens
  readonly clock: () => number
  readonly limits: Limits
}

/** Before the id of a draft in a token; the id of a message has nothing before it. */
const DRAFT = 'draft:'
/** Before the id of an upload. */
const UPLOAD = 'upload:'
/** The last field of the token for the text of an attachment. */
const TEXT = 'text'

/** A shorter part of a file is read once, into memory, which it keeps until a slow client has read it. */
const AT_ONCE_BYTES_MAX = 64 * 1024

export function createDownloads({ store, contents, reportDamage, tokens, clock, limits }: DownloadsNeeds): Downloads {
  const textOf = createAttachmentText(limits)

  return {
    async link(target, file) {
      const expiresAt = clock() + limits.messages.downloadUrlMs
      const fields = [ownerOf(target), target.attachmentId ?? '', expiresAt]
      const isText = file !== undefined && hasText(file, limits)
      return {
        token: await tokens.sign(fields),
        expiresAt,
        ...(isText && { textToken: await tokens.sign([...fields, TEXT]) }),
      }
    },

    async open(token) {
      const target = targetOf(await tokens.verify(token), clock())
      const { charset, tenant, ...file } = await openTarget(target)
      if (!target?.isText) return file
      const bytes = await textOf({ ...file, charset, tenant })
      return {
        ...(file.filename !== undefined && { filename: file.filename }),
        contentType: 'text/plain; charset=utf-8',
        disposition: 'inline',
        sizeBytes: bytes.length,
        bytes: oneChunk(bytes),
        about: file.about,
      }
    },
  }

  async function openTarget(target: VerifiedTarget | undefined): Promise<OpenedFile> {
    if (target?.draftId !== undefined) return openOfDraft(target.draftId, target.attachmentId)
    if (target?.uploadId !== undefined) return openOfUpload(target.uploadId)
    const [message] = target ? await messages.listByIds(store.db, [target.messageId]) : []
    const inbox = message && (await inboxes.getById(store.db, message.inbox_id))
    if (!target || !message || !inbox) throw new MailError('not_found', { what: 'Download' })
    const about = { messageId: message.id }
    if (target.attachmentId === undefined) {
      const bytes = await read(message.content_id, { start: 0, end: message.size_bytes }, about)
      return {
        contentType: 'message/rfc822',
        disposition: 'attachment',
        filename: 'message.eml',
        sizeBytes: message.size_bytes,
        bytes,
        about,
        tenant: tenantOf(inbox),
      }
    }
    const part = await contentsTable.getAttachment(store.db, message.content_id, target.attachmentId)
    if (!part) throw new MailError('not_found', { what: 'Download' })
    const range = { start: part.offset_bytes, end: part.offset_bytes + part.length_bytes }
    return {
      ...(part.filename !== null && { filename: part.filename }),
      contentType: part.content_type,
      disposition: isActiveContent(part.content_type) ? 'attachment' : part.disposition,
      sizeBytes: part.size_bytes,
      bytes: decodePartStream(await read(message.content_id, range, about), part.transfer_encoding),
      about,
      ...(part.charset !== null && { charset: part.charset }),
      tenant: tenantOf(inbox),
    }
  }

  async function openOfDraft(draftId: string, attachmentId: string): Promise<OpenedFile> {
    const [draft] = await drafts.listByIds(store.db, [draftId], store.leaseNow())
    const inbox = draft && (await inboxes.getById(store.db, draft.inbox_id))
    const part = inbox && (await drafts.getAttachment(store.db, draftId, attachmentId))
    if (!part) throw new MailError('not_found', { what: 'Download' })
    const contentType = part.content_type ?? 'application/octet-stream'
    return {
      ...(part.filename !== null && { filename: part.filename }),
      contentType,
      disposition: isActiveContent(contentType.toLowerCase()) ? 'attachment' : (part.disposition ?? 'attachment'),
      sizeBytes: part.size_bytes,
      bytes: await read(part.content_id, { start: 0, end: part.size_bytes }, { draftId }),
      about: { draftId },
      tenant: tenantOf(inbox),
    }
  }

  async function openOfUpload(id: string): Promise<OpenedFile> {
    const [upload] = await uploads.listByIds(store.db, [id], clock())
    if (!upload?.content_id) throw new MailError('not_found', { what: 'Download' })
    return {
      filename: upload.filename,
      contentType: upload.content_type,
      disposition: 'attachment',
      sizeBytes: upload.size_bytes!,
      bytes: await read(upload.content_id, { start: 0, end: upload.size_bytes! }, { uploadId: id }),
      about: { uploadId: id },
      tenant: { organizationId: upload.organization_id, podId: upload.pod_id },
    }
  }

  /** Reads the last byte before it returns: once a response has begun, it cannot say any more that the file is lost or too short. */
  async function read(
    contentId: string,
    range: { readonly start: number; readonly end: number },
    about: Readonly<Record<string, string>>,
  ): Promise<AsyncIterable<Buffer>> {
    const { start, end } = range
    try {
      if (end - start <= AT_ONCE_BYTES_MAX || (await isInRow(contentId)))
        return oneChunk(await loadContent(contents, contentId, range))
      await loadContent(contents, contentId, { start: end - 1, end })
    } catch (error) {
      if (error instanceof DamagedContent) reportDamage(contentId, error, about)
      throw error
    }
    return contents.read(contentId, range)
  }

  /** A row is in memory as a whole for each range that is read of it, so it is read only once. */
  async function isInRow(contentId: string): Promise<boolean> {
    return (await contentsTable.getLocation(store.db, contentId))?.blob_key === null
  }
}

/**
 * Whether a browser that opens this content may run scripts in it: HTML, XHTML, SVG and all other XML (RFC 7303), and
 * messages and parts that contain them. The sender's "inline" does not count for these.
 *
 * @param contentType lower-case `type/subtype`
 */
export function isActiveContent(contentType: string): boolean {
  return /html|xml|xsl|^message\/|^multipart\//.test(contentType)
}

function ownerOf(target: Target): string {
  if (target.draftId !== undefined) return `${DRAFT}${target.draftId}`
  return target.uploadId === undefined ? target.messageId : `${UPLOAD}${target.uploadId}`
}

function tenantOf(inbox: InboxRow): Tenant {
  return { organizationId: inbox.organization_id, podId: inbox.pod_id }
}

async function* oneChunk(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

/** @returns undefined unless these are fields of a token that has not expired */
function targetOf(fields: readonly string[] | undefined, now: number): VerifiedTarget | undefined {
  const [owner, attachmentId, expiresAt, form] = fields ?? []
  if (owner === undefined || attachmentId === undefined || !(Number(expiresAt) > now)) return undefined
  const isText = form === TEXT
  if (owner.startsWith(DRAFT)) return { draftId: owner.slice(DRAFT.length), attachmentId, isText }
  if (owner.startsWith(UPLOAD)) return { uploadId: owner.slice(UPLOAD.length), isText }
  const messageId = owner
  return { messageId, ...(attachmentId !== '' && { attachmentId }), isText }
}
