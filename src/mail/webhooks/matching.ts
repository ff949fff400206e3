/**
 * Which webhooks are told of an event: the same rules as for sockets (events/interest.ts), asked of a row instead of a
 * connection. A webhook acts for the key that made or last changed it: that key's scope at the time, which is the
 * webhook's own, and its permissions. When the key is deleted the webhook goes on, since it belongs to its scope.
 */
import type { EventRow, WebhookRow } from '../../store/schema.ts'
import type { KeyActor } from '../access/actor.ts'
import { parsePermissions } from '../access/permissions.ts'
import { permissionsToSee } from '../events/event-types.ts'
import { type Filter, filterOf, isAtPlace, isWanted, maySee } from '../events/interest.ts'

/** A webhook's row, read once for a batch of events. */
export interface Target {
  readonly row: WebhookRow
  /** The key that it acts for. */
  readonly actor: KeyActor
  readonly filter: Filter
}

export function targetOf(row: WebhookRow): Target {
  const named = { eventTypes: list(row.event_types), inboxIds: list(row.inbox_ids), podIds: list(row.pod_ids) }
  const actor = actorOf(row)
  return { row, actor, filter: filterOf(actor, named) }
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

/** An event's row, which must not be internal, and its payload read. */
interface Read {
  readonly row: EventRow
  readonly payload: Readonly<Record<string, unknown>>
}

/** Whether it is told of the event as it happens: not of what was before it was made or switched on. */
export function isFor(target: Target, event: Read): boolean {
  return event.row.seq > target.row.cursor_seq && isToldOf(target, event)
}

/** Whether it is told of such events, whenever they happened. */
export function isToldOf({ filter }: Target, { row, payload }: Read): boolean {
  return isWanted(filter, row) && isAtPlace(filter, row) && maySee(filter.actor, permissionsToSee(payload))
}

export function list(json: string | null): readonly string[] {
  return json === null ? [] : (JSON.parse(json) as string[])
}
