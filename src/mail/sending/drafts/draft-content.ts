/**
 * The content of a draft: merges a change into it, checks the result as a message that will be sent, and composes the
 * bytes of a revision. Sending composes again, with the final Message-ID and Date.
 */
import type { Config } from '../../../config/settings.ts'
import { formatAddress, splitAddress } from '../../../formats/address/address.ts'
import { linesOfHtml } from '../../../formats/html/html-lines.ts'
import { messageIdFrom, UUID_RANDOM_BYTES, uuidv7 } from '../../../formats/ids.ts'
import { preview } from '../../../formats/mime/text-preview.ts'
import type { Tx } from '../../../store/handles.ts'
import type { DraftRow } from '../../../store/schema/draft-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import { turnOf } from '../../jobs/turn-queue.ts'
import { contentSteps } from '../../messages/content/insert-content.ts'
import type { PrepareContent, PreparedContent } from '../../messages/content/prepared-content.ts'
import { hashId } from '../../messages/threads/threading.ts'
import type { ComposeMail, ThreadedMessage } from '../compose/compose-mail.ts'
import type { OutgoingMessage } from '../compose/outgoing.ts'
import { columnText, type DraftBodies } from './draft-parts.ts'
import { parseAddresses, parseIds } from './draft-views.ts'
import { DRAFT_FIELD } from './matching-draft.ts'

/** The composed bytes of a revision, which a transaction can store. Its owner must insert or discard them. */
export interface PreparedRevision {
  /** The columns of the draft that follow from its content. */
  readonly columns: ContentColumns
  /** The draft that its header names. */
  readonly draftId: string
  insert(tx: Tx, revisionId: string): Promise<void>
  /** Never rejects. @param error what the transaction threw */
  discard(error?: unknown): Promise<void>
}

type ContentColumns = Pick<
  DraftRow,
  'to_list' | 'cc_list' | 'bcc_list' | 'reply_to_list' | 'subject' | 'preview' | 'size_bytes'
>

/** @param draftId undefined: a new draft @throws message_too_large; the errors of prepareContent */
export type PrepareRevision = (inbox: InboxRow, message: ThreadedMessage, draftId?: string) => Promise<PreparedRevision>

interface PrepareRevisionNeeds {
  readonly config: Pick<Config, 'messageBytesMax'>
  readonly composeMail: ComposeMail
  readonly prepareContent: PrepareContent
  /** The clock of the machine, epoch ms. */
  readonly wallClock: () => number
  readonly random: (bytes: number) => Buffer
}

/** Characters of HTML that are read for the preview. */
const PREVIEW_SOURCE_CHARS = 2_000

export function createPrepareRevision(needs: PrepareRevisionNeeds): PrepareRevision {
  const { config, composeMail, prepareContent, wallClock, random } = needs

  return async function prepareRevision(inbox, message, given) {
    const now = wallClock()
    const newId = () => uuidv7(now, random(UUID_RANDOM_BYTES))
    const draftId = given ?? newId()
    const messageId = messageIdFrom(newId(), splitAddress(inbox.address).domain)
    const headers = [[DRAFT_FIELD, draftId] as const, ...message.headers]
    const raw = await composeMail(inbox, { ...message, headers }, messageId, now, true)
    const turn = turnOf({ organizationId: inbox.organization_id, podId: inbox.pod_id })
    const content = await prepareContent({ ...turn, raw, bytesMax: config.messageBytesMax })
    return revisionOf(draftId, message, content)
  }
}

/** @param content the bytes of the revision, which are composed of the message, or of which the message was read */
export function revisionOf(draftId: string, message: ThreadedMessage, content: PreparedContent): PreparedRevision {
  return {
    columns: { ...columnsOf(message), size_bytes: content.mailBytes },
    draftId,
    insert: (tx, revisionId) => insertRevision(tx, content, draftId, revisionId),
    discard: content.discard,
  }
}

async function insertRevision(tx: Tx, content: PreparedContent, draftId: string, revisionId: string): Promise<void> {
  const rows = content.rows(tx)
  await tx.runRows(contentSteps([rows]))
  const { messageId } = content.parsed
  const revision = {
    ...{ id: revisionId, draft_id: draftId, content_id: rows.row.id, created_at: tx.now },
    message_id_hash: messageId === undefined ? null : hashId(messageId),
  }
  await drafts.insertRevision(tx, revision)
}

function columnsOf(message: ThreadedMessage): Omit<ContentColumns, 'size_bytes'> {
  const { subject, text, html } = message
  const shown = preview(text ?? (html === undefined ? undefined : linesOfHtml(html, PREVIEW_SOURCE_CHARS)))
  return {
    to_list: JSON.stringify(message.to),
    cc_list: JSON.stringify(message.cc),
    bcc_list: JSON.stringify(message.bcc),
    reply_to_list: JSON.stringify(message.replyTo),
    subject: subject === undefined ? null : columnText(subject),
    preview: shown === undefined ? null : columnText(shown),
  }
}

/** Returns a stored draft as the message that it will be. */
export function messageOfDraft(row: DraftRow, bodies: DraftBodies, labels: readonly string[]): ThreadedMessage {
  return {
    to: parseAddresses(row.to_list),
    cc: parseAddresses(row.cc_list),
    bcc: parseAddresses(row.bcc_list),
    replyTo: parseAddresses(row.reply_to_list),
    ...(row.subject !== null && { subject: row.subject }),
    ...bodies,
    headers: [],
    labels,
    ...(row.in_reply_to !== null && { inReplyTo: row.in_reply_to }),
    references: parseIds(row.references_list),
    ...(row.thread_id !== null && { threadId: row.thread_id }),
  }
}

/** Returns a checked message as a client would have written it, to check its sizes after a merge. */
export function asOutgoing(message: ThreadedMessage): OutgoingMessage {
  const { to, cc, bcc, replyTo, subject, text, html, attachments } = message
  return {
    to: to.map(formatAddress),
    cc: cc.map(formatAddress),
    bcc: bcc.map(formatAddress),
    replyTo: replyTo.map(formatAddress),
    subject,
    text,
    html,
    attachments,
  }
}
