/**
 * Finds claimed recipients to which their inbox may no longer send: since the message was accepted, it was paused, or a list
 * denies the address, perhaps because other mail to it bounced. They are rejected instead of delivered. Part of
 * delivery-groups.ts.
 */
import type { Limits } from '../../../config/limits.ts'
import type { RecipientRow, SubmissionRow } from '../../../store/schema/sending-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as listEntries from '../../../store/tables/list-entries-table.ts'
import { findDenials } from '../../inboxes/lists/find-denials.ts'
import { describeDenial } from '../../inboxes/lists/list-rules.ts'
import type { DeliveryTarget } from '../targets/delivery-target.ts'

/** Why each is rejected, by the id of the recipient. */
export type Rejections = ReadonlyMap<string, string>

/** @param submissions those of the rows, by their ids */
export async function findForbidden(
  store: Store,
  rows: readonly RecipientRow[],
  submissions: ReadonlyMap<string, SubmissionRow>,
  limits: Limits,
): Promise<Rejections> {
  // Notices of Martlet itself go to an inbox, and are no mail of it.
  const sent = rows.filter((row) => row.inbox_id !== null && submissions.get(row.submission_id)?.kind === 'message')
  const byInbox = groupByInbox(sent)
  const rejections = new Map<string, string>()
  for (const { id, address } of await inboxes.listPaused(store.db, [...byInbox.keys()])) {
    for (const row of byInbox.get(id)!) rejections.set(row.id, `The inbox ${address} is paused`)
    byInbox.delete(id)
  }
  const organizations = new Set([...byInbox.values()].map(([row]) => row!.organization_id))
  for (const id of organizations) {
    if (await listEntries.isAnyListed(store.db, id, 'send')) continue
    organizations.delete(id) // almost always: it has no such list
  }
  const listed = [...byInbox.values()].flat().filter((row) => organizations.has(row.organization_id))
  // Other transactions run between the parts.
  for (let at = 0; at < listed.length; at += limits.delivery.checkedRecipientsMax) {
    const part = listed.slice(at, at + limits.delivery.checkedRecipientsMax)
    for (const [id, reason] of await deniedByLists(store, part)) rejections.set(id, reason)
  }
  return rejections
}

async function deniedByLists(store: Store, rows: readonly RecipientRow[]): Promise<Rejections> {
  const byInbox = groupByInbox(rows)
  const questions = [...byInbox].map(([id, own]) => ({
    inbox: { id, pod_id: own[0]!.pod_id, organization_id: own[0]!.organization_id },
    direction: 'send' as const,
    addresses: own.map((row) => row.address),
  }))
  const denials = await store.transaction((tx) => findDenials(tx, questions))
  const rejections = new Map<string, string>()
  for (const [index, own] of [...byInbox.values()].entries()) {
    const byAddress = new Map(denials[index]!.map((denial) => [denial.address, denial]))
    for (const row of own) {
      const denial = byAddress.get(row.address)
      if (denial) rejections.set(row.id, `Recipient blocked: ${describeDenial(denial)}`)
    }
  }
  return rejections
}

function groupByInbox(rows: readonly RecipientRow[]): Map<string, RecipientRow[]> {
  const byInbox = new Map<string, RecipientRow[]>()
  for (const row of rows) {
    const own = byInbox.get(row.inbox_id!)
    if (own) own.push(row)
    else byInbox.set(row.inbox_id!, [row])
  }
  return byInbox
}

/** Returns the target of recipients that are rejected: it ends their delivery. */
export function createRejectingTarget(rows: readonly RecipientRow[], rejections: Rejections): DeliveryTarget {
  const reasons = new Map(rows.map((row) => [`${row.submission_id} ${row.address}`, rejections.get(row.id)]))
  return {
    name: 'rejected',
    async deliver({ submissionId, recipients }) {
      return recipients.map((address) => ({ kind: 'rejected', reply: reasons.get(`${submissionId} ${address}`) ?? '' }))
    },
  }
}
