/** Creates rows for store tests, with only the required columns. */
import { newDomain } from '../../src/mail/domains/domains.ts'
import type { Tx } from '../../src/store/handles.ts'
import { rowStep } from '../../src/store/row-statements.ts'
import { addCounts } from '../../src/store/tables/inboxes-table.ts'
import { insertOrganization } from './test-store.ts'

export const NO_UNREAD = { unread_count: 0, unread_shown_count: 0, unread_unauthenticated_count: 0 }

export interface InboxIds {
  readonly organization_id: string
  readonly pod_id: string
  readonly inbox_id: string
}

/** Inserts an inbox with its own organization, pod and domain. */
export async function insertInbox(tx: Tx): Promise<InboxIds> {
  const ids = { organization_id: tx.newId(), pod_id: tx.newId(), inbox_id: tx.newId() }
  const domainId = tx.newId()
  const times = { created_at: tx.now, updated_at: tx.now }
  await insertOrganization(tx, ids.organization_id)
  const { organization_id } = ids
  await tx
    .insertInto('pods')
    .values({ id: ids.pod_id, organization_id, name: 'Default', is_default: 1, inbox_count: 1, ...times })
    .execute()
  await tx
    .insertInto('domains')
    .values({ ...newDomain(`${domainId}.test`, 'm1'), id: domainId, status: 'VERIFIED', holds_name: 1, ...times })
    .execute()
  await tx
    .insertInto('inboxes')
    .values({
      ...{ id: ids.inbox_id, organization_id, pod_id: ids.pod_id, domain_id: domainId },
      ...{ address: `ada@${domainId}.test`, status: 'active', created_by: 'system:test' },
      ...{ message_count: 0, ...NO_UNREAD, mails_notifications: 0, thread_count: 0, size_bytes: 0 },
      ...times,
    })
    .execute()
  return ids
}

export async function insertContent(tx: Tx): Promise<string> {
  const id = tx.newId()
  const sizes = { size_bytes: 0, parsed_size_bytes: 0, parsed_head_bytes: 0 }
  await tx
    .insertInto('contents')
    .values({ id, ...sizes, created_at: tx.now })
    .execute()
  return id
}

/** Inserts a message in its own thread. */
export async function insertMessage(
  tx: Tx,
  ids: InboxIds,
  more: { subject?: string; preview?: string } = {},
): Promise<{ id: string; number: number; contentId: string }> {
  const [id, threadId, contentId] = [tx.newId(), tx.newId(), await insertContent(tx)]
  const times = { timestamp: tx.now, created_at: tx.now, updated_at: tx.now }
  await tx
    .insertInto('threads')
    .values({
      ...{ id: threadId, ...ids, last_message_id: id, size_bytes: 0, hidden: 0 },
      ...{ message_count: 1, visible_count: 1 },
      ...times,
    })
    .execute()
  const { number } = await tx
    .insertInto('messages')
    .values({
      ...{ id, ...ids, thread_id: threadId, content_id: contentId },
      ...{ api_message_id: id, api_message_id_hash: id, fingerprint: '' },
      ...{ size_bytes: 0, has_attachments: 0 as const, hidden: 0, authentication: '{}', labels_seq: 0 },
      ...more,
      ...times,
    })
    .returning('number')
    .executeTakeFirstOrThrow()
  return { id, number, contentId }
}

/** Adds a message to the counters of an inbox. */
export async function countMessage(tx: Tx, inboxId: string, sizeBytes = 0): Promise<void> {
  const counts = { id: inboxId, message_count: 1, ...NO_UNREAD, thread_count: 0, size_bytes: sizeBytes }
  await tx.runRows([rowStep(addCounts, [counts])])
}

/** Inserts a submission with recipients that are due at the given times, in an organization of its own. */
export async function insertRecipients(
  tx: Tx,
  dueAt: readonly number[],
  domain = 'example.test',
  podId = 'pod',
): Promise<string[]> {
  const organizationId = tx.newId()
  const submissionId = tx.newId()
  await insertOrganization(tx, organizationId)
  await tx
    .insertInto('submissions')
    .values({
      ...{ id: submissionId, organization_id: organizationId, content_id: await insertContent(tx), kind: 'message' },
      ...{ envelope_sender: 'ada@example.test', smtputf8: 0, created_at: tx.now },
    })
    .execute()
  const rows = dueAt.map((next_attempt_at, position) => ({
    ...{ id: tx.newId(), submission_id: submissionId, position, address: `bob@${domain}`, domain },
    ...{ organization_id: organizationId, pod_id: podId },
    ...{ state: 'queued' as const, attempts: 0, interruptions: 0, next_attempt_at },
    ...{ created_at: tx.now, updated_at: tx.now },
  }))
  await tx.insertInto('recipients').values(rows).execute()
  return rows.map(({ id }) => id)
}
