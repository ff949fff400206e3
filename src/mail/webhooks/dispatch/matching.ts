/**
 * Decides which webhooks get an event, by the rules that also apply to WebSockets (subscription-filter.ts). A webhook
 * acts for the key that created or last changed it: with the webhook's own scope and the permissions that the key had
 * then. When the key is deleted, the webhook continues, because it belongs to its scope.
 */
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { KeyActor } from '../../access/actor.ts'
import { parsePermissions } from '../../access/permissions.ts'
import {
  type CheckedFilter,
  filterOf,
  isInNamedScope,
  matchesTypeAndScope,
  maySee,
} from '../../events/feed/subscription-filter.ts'
import { permissionsToSee } from '../../events/log/event-types.ts'
import type { SenderFilter } from './sender-filter.ts'

/** A webhook's row, parsed once for a batch of events. */
export interface WebhookMatcher {
  readonly webhook: WebhookRow
  /** The key that the webhook acts for. */
  readonly actor: KeyActor
  readonly filter: CheckedFilter
  /** undefined: messages of all senders. */
  readonly senders: SenderFilter | undefined
}

/** @throws Error if the row is damaged */
export function matcherOf(webhook: WebhookRow): WebhookMatcher {
  const named = {
    eventTypes: parseList(webhook.event_types),
    inboxIds: parseList(webhook.inbox_ids),
    podIds: parseList(webhook.pod_ids),
  }
  const actor = actorOf(webhook)
  const senders = webhook.sender_filter === null ? undefined : (JSON.parse(webhook.sender_filter) as SenderFilter)
  return { webhook, actor, filter: filterOf(actor, named), senders }
}

function actorOf(row: WebhookRow): KeyActor {
  return {
    kind: 'key',
    apiKeyId: `webhook ${row.id}`,
    organizationId: row.organization_id,
    ...(row.pod_id !== null && { podId: row.pod_id }),
    ...(row.inbox_id !== null && { inboxId: row.inbox_id }),
    ...(row.permissions !== null && { permissions: new Set(parsePermissions(row.permissions)) }),
  }
}

/** An event's row, which must not be internal, and its parsed payload. */
interface ParsedEventRow {
  readonly eventRow: EventRow
  readonly payload: Readonly<Record<string, unknown>>
}

/** Whether a webhook gets this event when it is dispatched: false for events before it was created or enabled. */
export function matchesNew(matcher: WebhookMatcher, event: ParsedEventRow): boolean {
  return event.eventRow.seq > matcher.webhook.start_seq && matches(matcher, event)
}

/** Whether the webhook's filter matches the event, whatever its time. */
export function matches({ filter }: WebhookMatcher, { eventRow, payload }: ParsedEventRow): boolean {
  return (
    matchesTypeAndScope(filter, eventRow) &&
    isInNamedScope(filter, eventRow) &&
    maySee(filter.actor, permissionsToSee(payload))
  )
}

export function parseList(json: string | null): readonly string[] {
  return json === null ? [] : (JSON.parse(json) as string[])
}
