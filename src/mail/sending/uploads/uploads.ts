/**
 * Uploads: a client sends the bytes of an attachment before the message, to a link without a key, and names the upload
 * when it sends the message or writes a draft.
 *
 *   begin → a row and a signed link → put, with the bytes → read, for each message or draft that names it
 *
 * An upload belongs to the scope of the call that began it. It can be used for inboxes in that scope, by keys whose scope
 * contains it; for others it does not exist. Messages and drafts store their own copy, so an upload ends by its age alone
 * (upload-sweep.ts), and one whose bytes have not arrived ends with its link. A repeated put replaces the bytes: a client whose connection broke cannot know whether they arrived.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import { isUuid } from '../../../formats/ids.ts'
import type { Tx } from '../../../store/handles.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { UploadRow } from '../../../store/schema/upload-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as contentsTable from '../../../store/tables/contents-table.ts'
import { lockOrganization } from '../../../store/tables/tenants-table.ts'
import * as uploads from '../../../store/tables/uploads-table.ts'
import { assertKeyUnchanged, hasPermission, keyOf, requireScope, type Scope } from '../../access/access.ts'
import type { Actor, Within } from '../../access/actor.ts'
import type { RequestMemory } from '../../access/body-memory.ts'
import type { SignedTokens } from '../../access/signed-tokens.ts'
import type { Contents } from '../../messages/content/contents.ts'
import type { DiscardBlobs } from '../../messages/content/discard-blobs.ts'
import type { Downloads } from '../../messages/content/downloads.ts'
import type { PrepareBytes } from '../../messages/content/prepared-bytes.ts'
import type { DownloadLink } from '../../messages/views/message.ts'
import { requireVerified } from '../../tenants/organization-state.ts'
import type { OutgoingAttachment, RequestedAttachment, UploadedAttachment } from '../compose/outgoing.ts'
import type { NewUpload, Upload, UploadedFile, UploadTicket } from './upload.ts'
import { checkNewUpload, checkUploadedFile } from './upload-rules.ts'

export interface Uploads {
  /**
   * Needs `message_send` or `draft_create`.
   *
   * @throws validation_error, limit_exceeded, organization_unverified, not_found, missing_permission, narrow_key
   */
  begin(actor: Actor, within: Within, upload: NewUpload): Promise<UploadTicket>
  /** @throws not_found, missing_permission */
  get(actor: Actor, id: string): Promise<Upload>
  /** Returns a link to the bytes, for keys that may use the upload. @throws not_found, missing_permission */
  link(actor: Actor, id: string): Promise<Upload & DownloadLink>
  /**
   * Returns the upload that a link expects, before its bytes are read.
   *
   * @throws not_found for an invalid or expired token
   */
  expected(token: string): Promise<Upload>
  /**
   * Stores the bytes. The token is the credential.
   *
   * @throws not_found for an invalid or expired token; validation_error when size or media type differ; disk_full,
   *   unavailable
   */
  put(token: string, file: UploadedFile): Promise<Upload>
  /**
   * Loads the uploads that a message or draft names, for an inbox that the actor may use.
   *
   * @returns the attachments in their order, the others unchanged
   * @throws not_found; validation_error for one whose bytes have not arrived; message_too_large; too_many_bodies
   */
  attach(
    actor: Actor,
    inbox: UploadInbox,
    attachments: readonly RequestedAttachment[],
    memory?: RequestMemory,
  ): Promise<LoadedOrLinked[]>
}

type LoadedOrLinked = Exclude<RequestedAttachment, UploadedAttachment>

type UploadInbox = Pick<InboxRow, 'id' | 'organization_id' | 'pod_id'>

interface UploadsNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'messageBytesMax' | 'limits'>
  readonly prepareBytes: PrepareBytes
  readonly contents: Contents
  readonly downloads: Pick<Downloads, 'link'>
  readonly discardBlobs: DiscardBlobs
  readonly tokens: SignedTokens
  readonly clock: () => number
}

export function createUploads(needs: UploadsNeeds): Uploads {
  const { store, config, prepareBytes, contents, downloads, discardBlobs, tokens, clock } = needs
  const { limits } = config

  return {
    async begin(actor, within, request) {
      const checked = checkNewUpload(request, limits)
      const row = await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const scope = await requireScope(tx, actor, permissionOf(actor), within)
        await requireVerified(tx, scope.organizationId, 'upload files')
        await checkTotals(tx, scope, checked.sizeBytes)
        const made: UploadRow = {
          id: tx.newId(),
          organization_id: scope.organizationId,
          pod_id: scope.podId ?? null,
          inbox_id: scope.inboxId ?? null,
          filename: checked.filename,
          content_type: checked.contentType,
          size_bytes_max: checked.sizeBytes,
          is_exact_size: checked.isExactSize ? 1 : 0,
          content_id: null,
          size_bytes: null,
          expires_at: tx.now + limits.uploads.urlMs,
          created_at: tx.now,
        }
        await uploads.insert(tx, made)
        return made
      })
      const urlExpiresAt = row.created_at + limits.uploads.urlMs
      return { ...show(row), token: await tokens.sign([row.id, urlExpiresAt]), urlExpiresAt }
    },

    async get(actor, id) {
      return show(await requireUpload(actor, id))
    },

    async link(actor, id) {
      const row = await requireUpload(actor, id)
      if (row.content_id === null) throw new MailError('not_found', { what: 'Upload' })
      return { ...show(row), ...(await downloads.link({ uploadId: row.id })) }
    },

    async expected(token) {
      return show(await requireExpected(token))
    },

    async put(token, file) {
      const known = await requireExpected(token)
      checkUploadedFile(known, file, limits)
      store.checkWritable()
      const prepared = await prepareBytes(file.bytes, limits.store.inlineBytesMax)
      try {
        const { row, blobs } = await store.transaction(async (tx) => {
          const locked = await uploads.lockById(tx, known.id, clock())
          if (!locked) throw new MailError('not_found', { what: 'Upload' })
          const content = {
            content_id: await prepared.insert(tx),
            size_bytes: prepared.sizeBytes,
            expires_at: locked.created_at + limits.uploads.keepMs,
          }
          await uploads.setContent(tx, locked.id, content)
          const replaced = locked.content_id === null ? [] : [locked.content_id]
          const blobs = await contentsTable.removeUnused(tx, replaced)
          return { row: { ...locked, ...content }, blobs }
        })
        await discardBlobs(blobs)
        return show(row)
      } catch (error) {
        await prepared.discard(error)
        throw error
      }
    },

    async attach(actor, inbox, attachments, memory) {
      const ids = attachments.flatMap((each) => ('uploadId' in each ? [each.uploadId] : []))
      if (ids.length === 0) return attachments as LoadedOrLinked[]
      const found = await findUsable(scopeOf(actor), ids) // the caller has checked the permission to send or write
      const bytes = ids.reduce((sum, id) => sum + requireArrived(found.get(id), inbox), 0)
      if (bytes > config.messageBytesMax) {
        throw new MailError('message_too_large', { limitBytes: config.messageBytesMax })
      }
      memory?.add(bytes)
      const loaded: LoadedOrLinked[] = []
      for (const attachment of attachments) {
        const isUpload = 'uploadId' in attachment
        loaded.push(isUpload ? await load(attachment, found.get(attachment.uploadId)!) : attachment)
      }
      return loaded
    },
  }

  async function requireExpected(token: string): Promise<UploadRow> {
    const [id, urlExpiresAt] = (await tokens.verify(token)) ?? []
    const isValid = id !== undefined && Number(urlExpiresAt) > clock()
    const [known] = isValid ? await uploads.listByIds(store.db, [id], clock()) : []
    if (!known) throw new MailError('not_found', { what: 'Upload' })
    return known
  }

  async function load({ uploadId: _, ...fields }: UploadedAttachment, row: UploadRow): Promise<OutgoingAttachment> {
    const chunks: Buffer[] = []
    for await (const chunk of contents.read(row.content_id!)) chunks.push(chunk)
    return {
      ...fields,
      filename: fields.filename ?? row.filename,
      contentType: fields.contentType ?? row.content_type,
      bytes: Buffer.concat(chunks),
    }
  }

  /** @throws limit_exceeded */
  async function checkTotals(tx: Tx, { organizationId, podId }: Scope, bytes: number): Promise<void> {
    const { perOrganizationMax, perOrganizationBytesMax } = limits.uploads
    const of = podId === undefined ? 'an organization' : 'a pod'
    await lockOrganization(tx, organizationId)
    const at = { now: tx.now, openSince: tx.now - limits.uploads.urlMs }
    for (const share of podId === undefined ? [1] : [1, 2]) {
      const totals = await uploads.totalsOf(tx, { organizationId, podId: share === 1 ? undefined : podId }, at)
      const [countMax, bytesMax] = [perOrganizationMax / share, perOrganizationBytesMax / share]
      if (totals.count >= countMax) throw new MailError('limit_exceeded', { what: `uploads of ${of}`, max: countMax })
      if (totals.bytes + bytes > bytesMax) {
        throw new MailError('limit_exceeded', { what: `bytes in the uploads of ${of}`, max: bytesMax })
      }
    }
  }

  async function requireUpload(actor: Actor, id: string): Promise<UploadRow> {
    const scope = await requireScope(store.db, actor, permissionOf(actor), {})
    const row = (await findUsable(scope, [id])).get(id)
    if (!row) throw new MailError('not_found', { what: 'Upload' })
    return row
  }

  async function findUsable(scope: Scope, ids: readonly string[]): Promise<Map<string, UploadRow>> {
    const rows = await uploads.listByIds(store.db, [...new Set(ids)].filter(isUuid), clock())
    return new Map(rows.filter((row) => isWithin(row, scope)).map((row) => [row.id, row]))
  }
}

function scopeOf(actor: Actor): Scope {
  const { organizationId, podId, inboxId } = keyOf(actor)
  return { organizationId, ...(podId !== undefined && { podId }), ...(inboxId !== undefined && { inboxId }) }
}

/** A key that may only write drafts needs uploads too. */
function permissionOf(actor: Actor): 'message_send' | 'draft_create' {
  return hasPermission(actor, 'message_send') ? 'message_send' : 'draft_create'
}

/** Whether a scope contains the whole scope of an upload. */
function isWithin(row: UploadRow, scope: Scope): boolean {
  return (
    row.organization_id === scope.organizationId &&
    (scope.podId === undefined || row.pod_id === scope.podId) &&
    (scope.inboxId === undefined || row.inbox_id === scope.inboxId)
  )
}

/**
 * @returns its size
 * @throws not_found; validation_error
 */
function requireArrived(row: UploadRow | undefined, inbox: UploadInbox): number {
  const isOfInbox =
    row?.organization_id === inbox.organization_id &&
    (row.pod_id === null || row.pod_id === inbox.pod_id) &&
    (row.inbox_id === null || row.inbox_id === inbox.id)
  if (!isOfInbox) throw new MailError('not_found', { what: 'Upload' })
  if (row.size_bytes !== null) return row.size_bytes
  const detail = `The bytes of the upload "${row.filename}" have not arrived yet; send them to its URL first`
  throw new MailError('validation_error', { detail, path: ['attachments'] })
}

function show(row: UploadRow): Upload {
  return {
    id: row.id,
    organizationId: row.organization_id,
    ...(row.pod_id !== null && { podId: row.pod_id }),
    ...(row.inbox_id !== null && { inboxId: row.inbox_id }),
    filename: row.filename,
    contentType: row.content_type,
    sizeBytesMax: row.size_bytes_max,
    ...(row.size_bytes !== null && { sizeBytes: row.size_bytes }),
    expiresAt: row.expires_at,
    createdAt: row.created_at,
  }
}
