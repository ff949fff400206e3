/** Inboxes for benches that measure the store without a server. */
import { newDomain } from '../src/mail/domains/domains.ts'
import type { Tx } from '../src/store/handles.ts'

/** Inserts inboxes, one organization and one pod for all of them. @returns their ids, in the order of their addresses' numbers */
export async function insertInboxes(tx: Tx, count: number): Promise<string[]> {
  const times = { created_at: tx.now, updated_at: tx.now }
  const [organization_id, pod_id, domain_id] = [tx.newId(), tx.newId(), tx.newId()]
  await tx
    .insertInto('organizations')
    .values({ id: organization_id, ...times })
    .execute()
  await tx
    .insertInto('pods')
    .values({ id: pod_id, organization_id, name: 'bench', is_default: 1, inbox_count: count, ...times })
    .execute()
  await tx
    .insertInto('domains')
    .values({ ...newDomain('bench.test', 'm1'), id: domain_id, ...times })
    .execute()
  const counts = {
    message_count: 0,
    unread_count: 0,
    unread_shown_count: 0,
    unread_unauthenticated_count: 0,
    mails_notifications: 0,
    thread_count: 0,
    size_bytes: 0,
  }
  const rows = Array.from({ length: count }, (_, index) => ({
    ...{
      id: tx.newId(),
      organization_id,
      pod_id,
      domain_id,
      address: `${index}@bench.test`,
      status: 'active' as const,
      created_by: 'system:bench',
    },
    ...counts,
    ...times,
  }))
  await tx.insertInto('inboxes').values(rows).execute()
  return rows.map(({ id }) => id)
}
