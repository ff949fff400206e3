/** Turns rows of drafts into drafts as callers see them, with a fixed number of queries. The caller has checked access. */
import type { Address } from '../../../formats/address/address.ts'
import type { Db } from '../../../store/handles.ts'
import type { DraftPartRow } from '../../../store/schema/draft-rows.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import type { Attachment } from '../../messages/views/message.ts'
import type { Draft, DraftItem, DraftOutline } from './draft.ts'

/** @returns drafts in the order of the rows */
export async function showDraftItems(db: Db, rows: readonly drafts.LeasedDraftRow[]): Promise<DraftItem[]> {
  const ids = rows.map((row) => row.id)
  const labels = await drafts.labelsOf(db, ids)
  const parts = new Map<string, DraftPartRow[]>(ids.map((id) => [id, []]))
  for (const part of await drafts.listParts(db, ids)) parts.get(part.draft_id)?.push(part)
  const addresses = await inboxes.addresses(db, [...new Set(rows.map((row) => row.inbox_id))])
  return rows.map((row) => ({
    id: row.id,
    inboxId: row.inbox_id,
    ...(row.thread_id !== null && { threadId: row.thread_id }),
    ...(row.source_id !== null && { sourceId: row.source_id }),
    kind: row.kind,
    inboxAddress: addresses.get(row.inbox_id) ?? '',
    labels: shownLabels(row, labels.get(row.id) ?? []),
    to: parseAddresses(row.to_list),
    cc: parseAddresses(row.cc_list),
    bcc: parseAddresses(row.bcc_list),
    ...(row.subject !== null && { subject: row.subject }),
    ...(row.preview !== null && { preview: row.preview }),
    attachments: attachmentsOf(parts.get(row.id) ?? []).map(showDraftAttachment),
    ...(row.source_message_id !== null && {
      [row.kind === 'forward' ? 'forwardOf' : 'inReplyTo']: row.source_message_id,
    }),
    ...sendStateOf(row),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }))
}

/** @param bodies its text and HTML, which the caller has read within its memory */
export async function showDraft(
  db: Db,
  row: drafts.LeasedDraftRow,
  bodies: { readonly text?: string | undefined; readonly html?: string | undefined },
): Promise<Draft> {
  const [item] = await showDraftItems(db, [row])
  return {
    ...item!, // one row in, one item out
    ...(row.client_id !== null && { clientId: row.client_id }),
    replyTo: parseAddresses(row.reply_to_list),
    ...(bodies.text !== undefined && { text: bodies.text }),
    ...(bodies.html !== undefined && { html: bodies.html }),
    references: parseIds(row.references_list),
  }
}

/** @returns what does not show the content of the draft */
export async function showDraftOutline(db: Db, row: drafts.LeasedDraftRow): Promise<DraftOutline> {
  const [item] = await showDraftItems(db, [row])
  const { id, inboxId, inboxAddress, labels, sendStatus, sendAt, createdAt, updatedAt } = item! // one row in, one item out
  return {
    id,
    inboxId,
    inboxAddress,
    labels,
    ...(sendStatus !== undefined && { sendStatus }),
    ...(sendAt !== undefined && { sendAt }),
    createdAt,
    updatedAt,
  }
}

/** A draft under a lease is being sent, whether the scheduler or a call does it. */
function sendStateOf(row: drafts.LeasedDraftRow): Pick<DraftItem, 'sendStatus' | 'sendAt' | 'sendError'> {
  const status = row.is_leased === 1 ? 'sending' : row.send_status
  return {
    ...(status !== null && { sendStatus: status }),
    ...(row.send_at !== null && { sendAt: row.send_at }),
    ...(row.send_error !== null && { sendError: row.send_error }),
  }
}

function shownLabels(row: drafts.LeasedDraftRow, labels: readonly string[]): string[] {
  return row.send_status === 'scheduled' ? [...labels, 'scheduled'].sort() : [...labels]
}

export function attachmentsOf(parts: readonly DraftPartRow[]): DraftPartRow[] {
  return parts.filter((part) => part.kind === 'attachment')
}

export function showDraftAttachment(part: DraftPartRow): Attachment {
  return {
    id: part.id,
    ...(part.filename !== null && { filename: part.filename }),
    contentType: part.content_type ?? 'application/octet-stream',
    disposition: part.disposition ?? 'attachment',
    ...(part.cid !== null && { contentId: part.cid }),
    sizeBytes: part.size_bytes,
  }
}

export function parseAddresses(json: string): Address[] {
  return JSON.parse(json) as Address[]
}

export function parseIds(json: string | null): string[] {
  return json === null ? [] : (JSON.parse(json) as string[])
}
