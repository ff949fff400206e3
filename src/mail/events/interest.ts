/**
 * From what a subscriber asks for to a filter that was checked: known types, permissions, inboxes and pods in scope.
 * The one place that decides who may be told what; backfill and live use the same filter.
 */
import { MailError } from '../../errors.ts'
import type { Db, EventRow } from '../../store/schema.ts'
import { hasPermission, requireInboxIds, requireKey, requirePermission, requirePodIds } from '../access/access.ts'
import type { Actor } from '../access/actor.ts'
import type { Permission } from '../access/permissions.ts'
import type { Interest } from './event.ts'
import { getEventType, isSubscribable, standardTypes } from './event-types.ts'

/** What one subscription is told of. */
export interface Filter {
  readonly actor: Actor
  readonly types: ReadonlySet<string>
  /** undefined: every organization, for system actors. */
  readonly organizationId: string | undefined
  /** Events in one of these inboxes or pods; everything in the organization when both are empty. */
  readonly inboxIds: readonly string[]
  readonly podIds: readonly string[]
}

interface InterestNeeds {
  /** Inboxes and pods are looked up here. */
  readonly db: Db
  readonly limits: { readonly subscriptionIdsMax: number }
}

/** @throws validation_error, missing_permission, not_found */
export async function checkInterest(actor: Actor, interest: Interest, needs: InterestNeeds): Promise<Filter> {
  requirePermission(actor, 'message_read')
  const eventTypes = [...new Set(interest.eventTypes)]
  for (const name of eventTypes) requireType(actor, name)
  const { inboxIds: inboxRefs = [], podIds: podRefs = [] } = interest
  requireFewIds('inbox_ids', inboxRefs, needs)
  requireFewIds('pod_ids', podRefs, needs)
  const inboxIds = inboxRefs.length > 0 ? await requireInboxIds(needs.db, actor, 'message_read', inboxRefs) : []
  const podIds = podRefs.length > 0 ? await findPods(actor, podRefs, needs) : []

  return filterOf(actor, { eventTypes, inboxIds, podIds })
}

/**
 * The filter of an interest whose names were checked when it was told (a webhook keeps its own for years).
 *
 * @param named ids as they were found; empty lists say as little as in an interest
 */
export function filterOf(
  actor: Actor,
  named: {
    readonly eventTypes: readonly string[]
    readonly inboxIds: readonly string[]
    readonly podIds: readonly string[]
  },
): Filter {
  const { inboxIds, podIds } = named
  const types = named.eventTypes.length === 0 ? standardTypesFor(actor) : new Set(named.eventTypes)
  const organizationId = actor.kind === 'key' ? actor.organizationId : undefined
  const isNamed = inboxIds.length + podIds.length > 0
  if (isNamed || actor.kind === 'system') return { actor, types, organizationId, inboxIds, podIds }
  if (actor.inboxId !== undefined) return { actor, types, organizationId, inboxIds: [actor.inboxId], podIds: [] }
  return { actor, types, organizationId, inboxIds: [], podIds: actor.podId === undefined ? [] : [actor.podId] }
}

/** Of one who is told of nothing. */
export function nothingFor(actor: Actor): Filter {
  return { ...filterOf(actor, { eventTypes: [], inboxIds: [], podIds: [] }), types: new Set() }
}

/** An internal type is refused like one that does not exist. */
function requireType(actor: Actor, name: string): void {
  if (!isSubscribable(name)) {
    const detail = `There is no event type "${name}"`
    throw new MailError('validation_error', { detail, path: ['event_types'] })
  }
  const { permission } = getEventType(name)!
  if (permission && !hasPermission(actor, permission)) {
    throw new MailError('missing_permission', { permission, eventType: name })
  }
}

/** Who names none is told of what it may see, and not refused for the rest. */
function standardTypesFor(actor: Actor): ReadonlySet<string> {
  const allowed = [...standardTypes].filter((name) => {
    const { permission } = getEventType(name)!
    return permission === undefined || hasPermission(actor, permission)
  })
  return allowed.length === standardTypes.size ? standardTypes : new Set(allowed) // one set for thousands of sockets
}

function requireFewIds(field: string, refs: readonly string[], { limits }: InterestNeeds): void {
  if (refs.length <= limits.subscriptionIdsMax) return
  const detail = `A subscription can name at most ${limits.subscriptionIdsMax} ${field}`
  throw new MailError('validation_error', { detail, path: [field] })
}

async function findPods(actor: Actor, refs: readonly string[], { db }: InterestNeeds): Promise<readonly string[]> {
  // Its scope holds no pod, not even the one that its inbox is in.
  if (actor.kind === 'key' && actor.inboxId !== undefined) throw new MailError('not_found', { what: 'Pod' })
  return requirePodIds(db, requireKey(actor), 'message_read', refs)
}

/**
 * Whether a row that happened in one of the filter's places is what it asks for. Places in scope were all that it could
 * be given; that the row is in scope is checked all the same, since one mistake there would tell strangers' mail.
 */
export function isWanted({ actor, types }: Filter, row: EventRow): boolean {
  return types.has(row.type) && isInScope(actor, row)
}

/** Whether it happened in one of the filter's places. Sockets are found by their places and need not ask. */
export function isAtPlace({ inboxIds, podIds }: Filter, row: EventRow): boolean {
  if (inboxIds.length + podIds.length === 0) return true
  return (
    (row.inbox_id !== null && inboxIds.includes(row.inbox_id)) || (row.pod_id !== null && podIds.includes(row.pod_id))
  )
}

/** Whether the actor has what `permissionsToSee` asks for. */
export function maySee(actor: Actor, needed: readonly Permission[]): boolean {
  return needed.every((permission) => hasPermission(actor, permission))
}

function isInScope(actor: Actor, row: EventRow): boolean {
  if (actor.kind === 'system') return true
  if (row.organization_id !== actor.organizationId) return false
  if (actor.inboxId !== undefined) return row.inbox_id === actor.inboxId
  return actor.podId === undefined || row.pod_id === actor.podId
}
