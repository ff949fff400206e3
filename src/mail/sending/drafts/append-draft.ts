/**
 * A draft that a mail program has written (IMAP APPEND into Drafts). It is a new revision of the draft that it means (matching-draft.ts),
 * or else a new draft. The revision is the program's own bytes, with the field that names the draft; the parts, from which the draft is shown,
 * changed and sent over the API, are read from them.
 *
 *   spool → find the draft → parse → parts → store, in one transaction
 *
 * A scheduled draft is no longer scheduled: the key that scheduled it has approved another text.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import { parseMessageIds, UUID_RANDOM_BYTES, uuidv7 } from '../../../formats/ids.ts'
import { fieldsByName, fieldValue, readHeaderBlock } from '../../../formats/mime/header-fields.ts'
import { decodePart } from '../../../formats/mime/transfer-encoding.ts'
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { DraftRow } from '../../../store/schema/draft-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import { selectByReferences } from '../../../store/tables/thread-references-table.ts'
import { assertKeyUnchanged, hasPermission, lockInbox, requireInbox } from '../../access/access.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import { draftCreated, draftUpdated } from '../../events/log/draft-events.ts'
import { turnOf } from '../../jobs/turn-queue.ts'
import { decompressBodies } from '../../messages/content/compressed-bodies.ts'
import type { DiscardBlobs } from '../../messages/content/discard-blobs.ts'
import type { ParsedMail } from '../../messages/content/parsed-message.ts'
import type { ArrivedMail, CheckedMail, PrepareContent } from '../../messages/content/prepared-content.ts'
import { lookupHashes, relativesOf } from '../../messages/threads/threading.ts'
import { checkSizes } from '../compose/checked-message.ts'
import type { ThreadedMessage } from '../compose/compose-mail.ts'
import { asOutgoing, type PreparedRevision, revisionOf } from './draft-content.ts'
import { refuseIfSending } from './draft-lookup.ts'
import type { DraftParts, PreparedParts } from './draft-parts.ts'
import { UNSCHEDULED } from './draft-schedule.ts'
import { DRAFT_FIELD, findMatchingDraft } from './matching-draft.ts'

/**
 * @returns the id of the new revision
 * @throws message_too_large, validation_error, too_many_recipients, limit_exceeded, draft_sending, missing_permission
 *   (`draft_update` for a draft that exists, else `draft_create`); what `data` throws
 */
export type AppendDraft = (actor: Actor, inbox: string, data: AsyncIterable<Buffer>) => Promise<string>

interface AppendDraftNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'messageBytesMax' | 'limits'>
  readonly prepareContent: PrepareContent
  readonly draftParts: DraftParts
  readonly discardBlobs: DiscardBlobs
  /** The clock of the machine, epoch ms. */
  readonly wallClock: () => number
  readonly random: (bytes: number) => Buffer
}

/** What the header says, and the bytes of the revision. */
interface ReadDraft {
  readonly draftId: string
  readonly bytes: Buffer
}

interface ToStore {
  readonly parsed: ParsedMail
  readonly parts: PreparedParts
  readonly revision: PreparedRevision
}

export function createAppendDraft(needs: AppendDraftNeeds): AppendDraft {
  const { store, config, prepareContent, draftParts, discardBlobs, wallClock, random } = needs
  const { limits } = config

  return async function appendDraft(actor, inboxRef, data) {
    // Which one it needs depends on the header.
    const permission = hasPermission(actor, 'draft_update') ? 'draft_update' : 'draft_create'
    const inbox = await requireInbox(store.db, actor, permission, inboxRef)
    store.checkWritable()
    const content = await prepareContent<ReadDraft>({
      ...turnOf({ organizationId: inbox.organization_id, podId: inbox.pod_id }),
      raw: { head: Buffer.alloc(0), chunks: data },
      bytesMax: config.messageBytesMax,
      check: (arrived) => readDraft(inbox, arrived),
    })
    let parts: PreparedParts | undefined
    try {
      const { parsed } = content
      const message = messageOf(parsed, content.checked.bytes)
      checkSizes(asOutgoing(message), limits, { isDraft: true })
      parts = await draftParts.prepare(message)
      const revision = revisionOf(content.checked.draftId, message, content)
      const toStore = { parsed, parts, revision }
      const { revisionId, blobs } = await store.transaction((tx) => write(tx, actor, inbox.id, toStore))
      await discardBlobs(blobs)
      return revisionId
    } catch (error) {
      await parts?.discard(error)
      await content.discard(error)
      throw error
    }
  }

  /** Finds the draft, and puts its id into the header. */
  async function readDraft(inbox: InboxRow, arrived: ArrivedMail): Promise<CheckedMail<ReadDraft>> {
    const bytes = Buffer.from((await arrived.load()).bytes)
    const { fields } = readHeaderBlock(bytes, 0, bytes.length)
    const byName = fieldsByName(fields)
    const named = byName.get(DRAFT_FIELD.toLowerCase()) ?? []
    const [draftId] = named.map((field) => fieldValue(bytes, field).trim())
    const [idField] = byName.get('message-id') ?? []
    const [messageId] = idField ? parseMessageIds(fieldValue(bytes, idField), 1) : []
    const scope = { organizationId: inbox.organization_id, inboxId: inbox.id }
    const known = await findMatchingDraft(store.db, scope, { draftId, messageId }, store.leaseNow())
    const id = known?.id ?? uuidv7(wallClock(), random(UUID_RANDOM_BYTES))
    const head = Buffer.from(`${DRAFT_FIELD}: ${id}\r\n`)
    const removed = named.map(({ start, end }) => ({ start, end }))
    const starts = [0, ...removed.map(({ end }) => end)]
    const kept = starts.map((start, index) => bytes.subarray(start, removed[index]?.start ?? bytes.length))
    return { checked: { draftId: id, bytes: Buffer.concat([head, ...kept]) }, head, removed }
  }

  async function write(tx: Tx, actor: Actor, inboxId: string, { parsed, parts, revision }: ToStore) {
    await assertKeyUnchanged(tx, actor)
    const { draftId } = revision
    const [known] = await drafts.listByIds(tx, [draftId], tx.leaseNow)
    const inbox = await lockInbox(tx, actor, known ? 'draft_update' : 'draft_create', inboxId)
    const [row] = await drafts.listByIds(tx, [draftId], tx.leaseNow)
    const revisionId = tx.newId()
    const unused: string[] = []
    const columns = { ...revision.columns, revision_id: revisionId, ...UNSCHEDULED }
    if (row) {
      refuseIfSending(row)
      const before = await drafts.listParts(tx, [row.id])
      unused.push(
        ...(await drafts.removeParts(
          tx,
          before.map(({ id }) => id),
        )),
      )
      await drafts.update(tx, row.id, columns)
    }
    const created = row ? undefined : await newRow(tx, actor, inbox, parsed, { id: draftId, ...columns })
    if (created) await drafts.insert(tx, created)
    await parts.insert(tx, draftId, 0)
    await revision.insert(tx, revisionId)
    if (row) unused.push(...(await drafts.removeReplacedRevisions(tx, draftId, revisionId)))
    const about = { actor: actorName(actor), inboxAddress: inbox.address }
    if (created) tx.append(draftCreated({ ...about, draft: created }))
    if (row) tx.append(draftUpdated({ ...about, draft: { ...row, ...columns }, previousRevisionId: row.revision_id }))
    return { revisionId, blobs: await contents.removeUnused(tx, unused) }
  }

  async function newRow(
    tx: Tx,
    actor: Actor,
    inbox: InboxRow,
    { inReplyTo, references }: ParsedMail,
    columns: Pick<DraftRow, 'id' | 'revision_id'> & PreparedRevision['columns'] & typeof UNSCHEDULED,
  ): Promise<DraftRow> {
    const max = limits.sending.draftsPerInboxMax
    if (await drafts.hasAtLeast(tx, inbox.id, max)) {
      throw new MailError('limit_exceeded', { what: 'drafts of an inbox', max })
    }
    const isReply = inReplyTo.length + references.length > 0
    return {
      ...columns,
      ...{ organization_id: inbox.organization_id, pod_id: inbox.pod_id, inbox_id: inbox.id, client_id: null },
      ...{ kind: 'new', source_id: null, source_message_id: null },
      thread_id: isReply ? await findThread(tx, inbox.id, { inReplyTo, references }) : null,
      in_reply_to: inReplyTo[0] ?? null,
      references_list: isReply ? JSON.stringify(references) : null,
      ...{ created_by: actorName(actor), lease_owner: null, lease_until: null },
      ...{ created_at: tx.now, updated_at: tx.now },
    }
  }
}

async function findThread(
  tx: Tx,
  inboxId: string,
  ancestry: Pick<ParsedMail, 'inReplyTo' | 'references'>,
): Promise<string | null> {
  const hashes = lookupHashes(relativesOf(ancestry))
  const [threads] = await tx.runRows([
    rowStep(
      selectByReferences,
      hashes.map((hash) => ({ inbox_id: inboxId, hash })),
    ),
  ])
  for (const hash of hashes) {
    const thread = threads.find((each) => each.hash === hash)
    if (thread) return thread.id
  }
  return null
}

/** Returns the message as a client of the API would have written it. @param bytes of the revision */
function messageOf(parsed: ParsedMail, bytes: Buffer): ThreadedMessage {
  const { text, html } = decompressBodies(parsed.compressedBodies.bytes)
  const [inReplyTo] = parsed.inReplyTo
  return {
    ...{ to: parsed.to, cc: parsed.cc, bcc: parsed.bcc, replyTo: parsed.replyTo, headers: [], labels: [] },
    ...(parsed.subject !== undefined && { subject: parsed.subject }),
    ...(text !== undefined && { text }),
    ...(html !== undefined && { html }),
    ...(inReplyTo !== undefined && { inReplyTo }),
    references: parsed.references,
    attachments: parsed.attachments.map(({ offset, length, encoding, ...attachment }) => ({
      ...(attachment.filename !== undefined && { filename: attachment.filename }),
      contentType: attachment.contentType,
      disposition: attachment.disposition,
      ...(attachment.contentId !== undefined && { contentId: attachment.contentId }),
      bytes: decodePart(bytes, { offset, length, encoding }),
    })),
  }
}
