/** Computes a webhook's subscription filter, and the permissions it acts with, after a change. */

import type { Limits } from '../../../config/limits.ts'
import { isMailError, MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import { requireInbox, requirePod } from '../../access/access.ts'
import type { KeyActor } from '../../access/actor.ts'
import { checkEventFilter, checkIdCount } from '../../events/feed/subscription-filter.ts'
import { parseList } from '../dispatch/matching.ts'
import type { WebhookChange } from './webhook.ts'

/**
 * Returns the filter after a change. A key that changes a webhook could send its events to another URL, so the key must
 * be permitted to see all of them. Disabling a webhook needs no such permission.
 */
export async function changedEventFilter(
  tx: Tx,
  key: KeyActor,
  row: WebhookRow,
  change: WebhookChange,
  limits: Limits,
): Promise<Pick<WebhookRow, 'event_types' | 'inbox_ids' | 'pod_ids' | 'permissions'>> {
  const { event_types, inbox_ids, pod_ids, permissions } = row
  const isOnlySwitchedOff = change.isEnabled === false && Object.values(change).filter(isGiven).length === 1
  if (isOnlySwitchedOff) return { event_types, inbox_ids, pod_ids, permissions }

  const eventTypes = change.eventTypes?.length ? [...new Set(change.eventTypes)] : parseList(event_types)
  const added = { inboxIds: change.inboxIds ?? change.addInboxIds ?? [], podIds: change.addPodIds ?? [] }
  const owner = filterOwner(limits)
  const extraEventTypes = change.eventTypes?.length ? change.extraEventTypes : undefined
  const found = await checkEventFilter(key, { ...added, eventTypes, extraEventTypes }, { db: tx, ...owner })
  const gone = await resolveRemoved(tx, key, change)
  const isWhole = inbox_ids === null && pod_ids === null
  const add = (now: readonly string[], more: readonly string[]) => new Set([...now, ...(isWhole ? [] : more)])
  const newInboxes = added.inboxIds.length > 0 ? found.inboxIds : []
  const inboxIds = change.inboxIds ? new Set(newInboxes) : add(parseList(inbox_ids), newInboxes)
  const podIds = add(parseList(pod_ids), added.podIds.length > 0 ? found.podIds : [])
  for (const id of gone) for (const ids of [inboxIds, podIds]) ids.delete(id)

  checkIdCount('inbox_ids', inboxIds.size, owner)
  checkIdCount('pod_ids', podIds.size, owner)
  if (!isWhole && change.inboxIds === undefined && inboxIds.size + podIds.size === 0) {
    const detail = 'A webhook with inboxes or pods must keep at least one; delete it, or create a webhook without them'
    throw new MailError('validation_error', { detail })
  }
  return {
    event_types: formatList(extraEventTypes ? [...found.types] : eventTypes),
    inbox_ids: formatList([...inboxIds]),
    pod_ids: formatList([...podIds]),
    permissions: permissionsOf(key),
  }
}

/** Returns what `checkEventFilter` must know of the owner of the filter. */
export function filterOwner(limits: Limits) {
  return { owner: 'webhook', idsMax: limits.webhooks.idsMax } as const
}

/** Resolves references to remove into ids. A reference that no longer exists needs no removal. */
async function resolveRemoved(tx: Tx, key: KeyActor, change: WebhookChange): Promise<string[]> {
  const ids: string[] = []
  for (const ref of change.removeInboxIds ?? []) {
    ids.push(ref, ...(await unlessGone(requireInbox(tx, key, 'message_read', ref))))
  }
  for (const ref of change.removePodIds ?? []) {
    ids.push(ref, ...(await unlessGone(requirePod(tx, key, 'message_read', ref))))
  }
  return ids
}

async function unlessGone(row: Promise<{ readonly id: string }>): Promise<string[]> {
  try {
    return [(await row).id]
  } catch (error) {
    if (isMailError(error, 'not_found')) return []
    throw error
  }
}

function isGiven(value: unknown): boolean {
  return value !== undefined
}

/** Returns permissions in the form of the row; null: everything. */
export function permissionsOf(key: KeyActor): string | null {
  return key.permissions === undefined ? null : JSON.stringify([...key.permissions])
}

/** Returns a list in the form of the row; null: an empty list. */
export function formatList(list: readonly string[]): string | null {
  return list.length === 0 ? null : JSON.stringify(list)
}
