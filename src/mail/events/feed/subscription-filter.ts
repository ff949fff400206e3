/**
 * Turns a subscriber's request into a checked subscription filter: known types, permissions, inboxes and pods in scope.
 * Only this file decides who may receive which event; backfill and live use the same filter.
 */
import { similarName } from '../../../config/similar-name.ts'
import { MailError } from '../../../errors.ts'
import type { Db } from '../../../store/handles.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import { hasPermission, keyOf, requireInboxIds, requirePermission, requirePodIds } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import type { Permission } from '../../access/permissions.ts'
import { getEventType, isSubscribable, standardTypes, subscribableTypes } from '../log/event-types.ts'

/** A subscriber's request. An empty list means the same as a missing one. */
export interface EventFilter {
  /** undefined: the standard types that the key may receive. */
  readonly eventTypes?: readonly string[] | undefined
  /** Added to these types, unless the actor may not receive them. */
  readonly extraEventTypes?: readonly string[] | undefined
  /** Addresses or ids. The union with podIds counts; both undefined: everything in the actor's scope. */
  readonly inboxIds?: readonly string[] | undefined
  readonly podIds?: readonly string[] | undefined
  /** Only events of these pods, also of the inboxes that are named. */
  readonly onlyPodIds?: readonly string[] | undefined
  /** Start after this cursor. "earliest": all retained events first. "latest" or undefined: only new events. */
  readonly after?: string | undefined
}

/** The events that one subscription receives. */
export interface CheckedFilter {
  readonly actor: Actor
  readonly types: ReadonlySet<string>
  /** undefined: every organization, for system actors. */
  readonly organizationId: string | undefined
  /** Events of these inboxes or pods; all events of the organization when both are empty. */
  readonly inboxIds: readonly string[]
  readonly podIds: readonly string[]
  /** Only events of these pods; undefined: of all that the fields above select. */
  readonly onlyPodIds?: readonly string[]
  /** Several requests that add up: an event must also match one of them. */
  readonly parts?: readonly FilterPart[]
}

/** One of several requests of a subscriber. */
export interface FilterPart extends Omit<CheckedFilter, 'parts'> {
  /** It selects events after this one. */
  readonly afterSeq: number
}

/** What has the filter, for error texts, with its limit. */
interface FilterOwner {
  readonly owner: 'request' | 'subscription' | 'webhook'
  /** Inboxes in one filter; the same limit applies to pods. */
  readonly idsMax: number
}

interface CheckNeeds extends FilterOwner {
  /** Inboxes and pods are looked up here. */
  readonly db: Db
}

/** @throws validation_error, missing_permission, not_found */
export async function checkEventFilter(
  actor: Actor,
  eventFilter: EventFilter,
  needs: CheckNeeds,
): Promise<CheckedFilter> {
  requirePermission(actor, 'message_read')
  const eventTypes = [...new Set(eventFilter.eventTypes)]
  for (const name of eventTypes) checkAllowedType(actor, name)
  const { inboxIds: inboxRefs = [], podIds: podRefs = [] } = eventFilter
  checkIdCount('inbox_ids', inboxRefs.length, needs)
  checkIdCount('pod_ids', podRefs.length, needs)
  const inboxIds = inboxRefs.length > 0 ? await requireInboxIds(needs.db, actor, 'message_read', inboxRefs) : []
  const podIds = podRefs.length > 0 ? await requirePodIds(needs.db, keyOf(actor), 'message_read', podRefs) : []
  const onlyRefs = eventFilter.onlyPodIds ?? []
  checkIdCount('pod_ids', onlyRefs.length, needs)
  const onlyPodIds = onlyRefs.length > 0 ? await requirePodIds(needs.db, keyOf(actor), 'message_read', onlyRefs) : []

  const isAnywhere = inboxIds.length + podIds.length === 0
  const filter = {
    ...filterOf(actor, { eventTypes, inboxIds, podIds: isAnywhere ? onlyPodIds : podIds }),
    ...(onlyPodIds.length > 0 && { onlyPodIds }),
  }
  const extra = (eventFilter.extraEventTypes ?? []).filter((name) => mayReceive(actor, name))
  return extra.length === 0 ? filter : { ...filter, types: new Set([...filter.types, ...extra]) }
}

/**
 * Builds the filter from names that were checked earlier (a webhook keeps its names for years).
 *
 * @param named resolved ids; an empty list means the same as a missing one
 */
export function filterOf(
  actor: Actor,
  named: {
    readonly eventTypes: readonly string[]
    readonly inboxIds: readonly string[]
    readonly podIds: readonly string[]
  },
): CheckedFilter {
  const { inboxIds, podIds } = named
  const types = named.eventTypes.length === 0 ? standardTypesFor(actor) : new Set(named.eventTypes)
  const organizationId = actor.kind === 'key' ? actor.organizationId : undefined
  const isNamed = inboxIds.length + podIds.length > 0
  if (isNamed || actor.kind === 'system') return { actor, types, organizationId, inboxIds, podIds }
  if (actor.inboxId !== undefined) return { actor, types, organizationId, inboxIds: [actor.inboxId], podIds: [] }
  return { actor, types, organizationId, inboxIds: [], podIds: actor.podId === undefined ? [] : [actor.podId] }
}

/** Combines several requests of one subscriber: it receives the events that match at least one of them. */
export function filterOfParts(actor: Actor, parts: readonly FilterPart[]): CheckedFilter {
  const isAnywhere = parts.some(({ inboxIds, podIds }) => inboxIds.length + podIds.length === 0)
  const idsOf = (list: 'inboxIds' | 'podIds') => (isAnywhere ? [] : [...new Set(parts.flatMap((part) => part[list]))])
  return {
    actor,
    types: new Set(parts.flatMap(({ types }) => [...types])),
    organizationId: parts[0]?.organizationId,
    inboxIds: idsOf('inboxIds'),
    podIds: idsOf('podIds'),
    parts,
  }
}

/** Returns the filter of a subscription that receives no events. */
export function emptyFilter(actor: Actor): CheckedFilter {
  return { ...filterOf(actor, { eventTypes: [], inboxIds: [], podIds: [] }), types: new Set() }
}

/** A longer name is not compared as a whole. */
const TYPE_CHARS_MAX = 64

/** @throws validation_error for a type that clients cannot name: an internal one is rejected like an unknown one */
export function checkEventType(name: string): void {
  if (isSubscribable(name)) return
  const meant = similarName(name.slice(0, TYPE_CHARS_MAX), subscribableTypes)
  throw new MailError('validation_error', {
    detail: `Unknown event type "${name}"`,
    path: ['event_types'],
    fix: meant === undefined ? `The types are ${subscribableTypes.join(', ')}.` : `Write ${meant}.`,
  })
}

/** Checks a requested type, and that the actor may receive it. */
function checkAllowedType(actor: Actor, name: string): void {
  checkEventType(name)
  if (mayReceive(actor, name)) return
  throw new MailError('missing_permission', { permission: getEventType(name)!.permission!, eventType: name })
}

function mayReceive(actor: Actor, name: string): boolean {
  const { permission } = getEventType(name)!
  return permission === undefined || hasPermission(actor, permission)
}

/** Returns the types for a subscriber that names none: the standard types that it may receive. */
function standardTypesFor(actor: Actor): ReadonlySet<string> {
  const allowed = [...standardTypes].filter((name) => mayReceive(actor, name))
  return allowed.length === standardTypes.size ? standardTypes : new Set(allowed) // one set for thousands of sockets
}

/** @throws validation_error when a filter would name more than `idsMax` inboxes or pods */
export function checkIdCount(field: string, count: number, { owner, idsMax }: FilterOwner): void {
  if (count <= idsMax) return
  const detail = `A ${owner} can have at most ${idsMax} ${field}`
  throw new MailError('validation_error', { detail, path: [field] })
}

/**
 * Whether a row from one of the filter's inboxes, pods or organizations matches it. A filter can only contain ids in
 * the actor's scope. We still check the scope of the row, because one mistake would disclose mail to strangers.
 */
export function matchesTypeAndScope({ actor, types, onlyPodIds, parts }: CheckedFilter, row: EventRow): boolean {
  return (
    types.has(row.type) &&
    isInScope(actor, row) &&
    isOfPods(onlyPodIds, row) &&
    (parts === undefined || parts.some((part) => isSelectedBy(part, row)))
  )
}

function isSelectedBy(part: FilterPart, row: EventRow): boolean {
  const isOfTypeAndTime = part.types.has(row.type) && row.seq > part.afterSeq
  return isOfTypeAndTime && isInNamedScope(part, row) && isOfPods(part.onlyPodIds, row)
}

function isOfPods(onlyPodIds: readonly string[] | undefined, { pod_id }: EventRow): boolean {
  return onlyPodIds === undefined || (pod_id !== null && onlyPodIds.includes(pod_id))
}

/**
 * Whether the row is from one of the filter's inboxes or pods. For sockets, the subscription index has checked this.
 */
export function isInNamedScope({ inboxIds, podIds }: CheckedFilter, row: EventRow): boolean {
  if (inboxIds.length + podIds.length === 0) return true
  return (
    (row.inbox_id !== null && inboxIds.includes(row.inbox_id)) || (row.pod_id !== null && podIds.includes(row.pod_id))
  )
}

/** Whether the actor has the permissions from `permissionsToSee`. */
export function maySee(actor: Actor, needed: readonly Permission[]): boolean {
  return needed.every((permission) => hasPermission(actor, permission))
}

function isInScope(actor: Actor, row: EventRow): boolean {
  if (actor.kind === 'system') return true
  if (row.organization_id !== actor.organizationId) return false
  if (actor.inboxId !== undefined) return row.inbox_id === actor.inboxId
  return actor.podId === undefined || row.pod_id === actor.podId
}
