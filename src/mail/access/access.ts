/**
 * Decides whether an actor may do something to an object. Modules that act for a client ask here.
 *
 * An object outside the actor's scope is not_found, so that callers cannot learn that it exists. Two refusals say more:
 * missing_permission, for a permission that the key lacks, and narrow_key, for a call about pods with the key of one
 * inbox, or about the organization with the key of a pod, as AgentMail does. Lists put the scope into their query as a predicate; they never filter
 * afterwards.
 */
import { channel } from 'node:diagnostics_channel'
import { MailError } from '../../errors.ts'
import { normaliseAddress } from '../../formats/address/address.ts'
import { fromBase32 } from '../../formats/base32-ids.ts'
import type { Db, Tx } from '../../store/handles.ts'
import type { ApiKeyRow, InboxRow, PodRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as apiKeys from '../../store/tables/api-keys-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as tenants from '../../store/tables/tenants-table.ts'
import type { Actor, KeyActor, Within } from './actor.ts'
import type { KeyScope, OperationAccess } from './operation-access.ts'
import { type HiddenLabel, hiddenClasses, type Permission, parsePermissions } from './permissions.ts'

/** The organization, pod or inbox that a call is limited to. Lists use it as a predicate of their query. */
export interface Scope {
  readonly organizationId: string
  readonly podId?: string
  readonly inboxId?: string
}

/** Publishes each check below, so that a test can compare what the core checks with what the operations declare. */
const checks = channel('martlet.access')

export interface AccessCheck {
  readonly permission?: Permission
  readonly narrowestKey?: KeyScope
}

function publish(check: AccessCheck): void {
  if (checks.hasSubscribers) checks.publish(check)
}

/**
 * Admits the key to an operation, before any work is done: nothing that it refers to has been looked up. So an
 * operation that the key may not use is refused in the same way for an object that exists and for one that does not.
 *
 * @returns the actor for the calls of the operation
 * @throws narrow_key, wide_key, missing_permission
 */
export function admit(actor: KeyActor, operation: OperationAccess): KeyActor {
  refuseNarrowKey(actor, operation.narrowestKey)
  if (operation.widestKey === 'inbox') inboxOf(actor)
  for (const permission of operation.permissions) refuseWithout(actor, permission)
  return Object.assign({}, actor, { operation }) // not { ...actor, operation }, for which V8 makes hidden classes
}

/** Throws missing_permission unless the actor has the flag. */
export function requirePermission(actor: Actor, permission: Permission): void {
  publish({ permission })
  const { operation } = actor.kind === 'key' ? actor : {}
  if (operation && ![...operation.permissions, ...(operation.conditional ?? [])].includes(permission)) {
    throw new Error(`the operation does not declare the permission ${permission}`) // a bug: no request can cause it
  }
  refuseWithout(actor, permission)
}

function refuseWithout(actor: Actor, permission: Permission): void {
  if (!hasPermission(actor, permission)) throw new MailError('missing_permission', { permission })
}

export function hasPermission(actor: Actor, permission: Permission): boolean {
  return actor.kind === 'system' || actor.permissions === undefined || actor.permissions.has(permission)
}

/**
 * Checks inside the writing transaction that the key is unchanged since the request was authenticated. It may have been
 * deleted or narrowed since then, and must not act after that. No node can change it until the commit.
 *
 * @throws unknown_api_key; forbidden when its permissions have changed
 */
export async function assertKeyUnchanged(tx: Tx, actor: Actor): Promise<void> {
  await assertKeysUnchanged(tx, [actor])
}

/** As assertKeyUnchanged, for the actors of a batch: each key is read once. */
export async function assertKeysUnchanged(tx: Tx, actors: readonly Actor[]): Promise<void> {
  const rows = new Map<string, ApiKeyRow | undefined>()
  for (const actor of actors) {
    if (actor.kind === 'system') continue
    const { apiKeyId } = actor
    if (!rows.has(apiKeyId)) rows.set(apiKeyId, await apiKeys.shareLockById(tx, apiKeyId))
    requireUnchanged(actor, rows.get(apiKeyId), tx.now)
  }
}

/**
 * The same for a key whose row the caller has read and locked.
 *
 * @param row undefined: it was deleted
 * @param now epoch ms
 */
export function requireUnchanged(actor: KeyActor, row: ApiKeyRow | undefined, now: number): void {
  if (!row || isExpired(row, now) || !hasSameKey(actor, row)) throw new MailError('unknown_api_key', {})
  if (!hasSamePermissions(actor, row)) {
    throw new MailError('forbidden', { detail: 'The permissions of the key have just changed; retry the request' })
  }
}

/**
 * Checks again, after a request has waited, what was checked when it began: its key, and that the inboxes still exist.
 *
 * @param inboxIds inboxes in the actor's scope whose messages it reads
 * @throws as assertKeyUnchanged; not_found
 */
export async function recheckAccess(
  store: Pick<Store, 'transaction'>,
  actor: Actor,
  inboxIds: readonly string[],
): Promise<void> {
  await store.transaction(async (tx) => {
    await assertKeyUnchanged(tx, actor)
    if (inboxIds.length > 0) await requireInboxIds(tx, actor, 'message_read', inboxIds)
  })
}

/** @param now epoch ms */
export function isExpired({ expires_at }: Pick<ApiKeyRow, 'expires_at'>, now: number): boolean {
  return expires_at !== null && expires_at <= now
}

/** Whether the row still has the key with which the actor's session was opened. */
export function hasSameKey({ keyHash }: KeyActor, row: Pick<ApiKeyRow, 'key_hash'>): boolean {
  return keyHash === undefined || keyHash === row.key_hash
}

/** Whether the actor has exactly the permissions that the key's row grants now. */
export function hasSamePermissions({ permissions }: KeyActor, row: Pick<ApiKeyRow, 'permissions'>): boolean {
  if (row.permissions === null || permissions === undefined)
    return row.permissions === null && permissions === undefined
  const granted = parsePermissions(row.permissions)
  return granted.length === permissions.size && granted.every((each) => permissions.has(each))
}

/**
 * Finds the inbox by address or id, if it is in the actor's scope. An id can be written as a UUID or in base32, as some
 * dialects show it: so each dialect finds an inbox by the id of another.
 *
 * @throws not_found, missing_permission
 */
export async function requireInbox(db: Db, actor: Actor, permission: Permission, ref: string): Promise<InboxRow> {
  return requireCovered(actor, await findInbox(db, ref), permission, ref)
}

/**
 * Like requireInbox, and locks the inbox for this transaction. Call it before you read anything in the inbox in order
 * to change it: then no other node files, relabels or removes there at the same time.
 */
export async function lockInbox(tx: Tx, actor: Actor, permission: Permission, ref: string): Promise<InboxRow> {
  const row = ref.includes('@')
    ? await inboxes.lockByAddress(tx, normaliseAddress(ref) ?? '')
    : await inboxes.lockById(tx, idOf(ref))
  return requireCovered(actor, row, permission, ref)
}

/**
 * Finds many inboxes by address or id, with one statement for all ids and one for all addresses.
 *
 * @returns their ids, each once, in the order of `refs`
 * @throws not_found when one of them does not exist or is outside the actor's scope; missing_permission
 */
export async function requireInboxIds(
  db: Db,
  actor: Actor,
  permission: Permission,
  refs: readonly string[],
): Promise<readonly string[]> {
  const isAddress = (ref: string) => ref.includes('@')
  const wanted = [...new Set(refs)].map((ref) => (isAddress(ref) ? (normaliseAddress(ref) ?? '') : idOf(ref)))
  const rows = [
    ...(await inboxes.listByIds(
      db,
      wanted.filter((ref) => !isAddress(ref)),
    )),
    ...(await inboxes.listByAddresses(db, wanted.filter(isAddress))),
  ].filter((row) => covers(actor, row))
  const found = new Map(rows.flatMap(({ id, address }) => [[id, id] as const, [address, id] as const]))
  const ids = wanted.map((ref) => found.get(ref))
  const missing = ids.indexOf(undefined)
  if (missing >= 0) throw inboxNotFound(wanted[missing])
  requirePermission(actor, permission)
  return [...new Set(ids as string[])]
}

async function findInbox(db: Db, ref: string): Promise<InboxRow | undefined> {
  if (!ref.includes('@')) return inboxes.getById(db, idOf(ref))
  const address = normaliseAddress(ref)
  return address === undefined ? undefined : inboxes.getByAddress(db, address)
}

function idOf(ref: string): string {
  return fromBase32(ref) ?? ref
}

/** @throws not_found when there is no row or it is outside the actor's scope; missing_permission */
export function requireCovered(
  actor: Actor,
  row: InboxRow | undefined,
  permission: Permission,
  ref?: string,
): InboxRow {
  if (!row || !covers(actor, row)) throw inboxNotFound(ref)
  requirePermission(actor, permission)
  return row
}

function inboxNotFound(ref: string | undefined): MailError {
  return new MailError('not_found', { what: 'Inbox', ...(ref && { name: ref.slice(0, 320) }) }) // RFC 5321 §4.5.3.1
}

function covers(actor: Actor, inbox: inboxes.InboxScopeRow): boolean {
  if (actor.kind === 'system') return true
  if (actor.organizationId !== inbox.organization_id) return false
  if (actor.inboxId !== undefined) return actor.inboxId === inbox.id
  return actor.podId === undefined || actor.podId === inbox.pod_id
}

/**
 * Refuses a key with a narrower scope. The scope of an inbox's key contains no pod, not even that of its inbox.
 *
 * @throws narrow_key
 */
export function requireKeyScope(actor: KeyActor, narrowestKey: 'pod' | 'organization'): void {
  publish({ narrowestKey })
  refuseNarrowKey(actor, narrowestKey)
}

/** For operations that concern all organizations. Also checks that the key still exists. @throws narrow_key */
export async function requireRootKey(tx: Tx, actor: Actor): Promise<void> {
  publish({ narrowestKey: 'root' })
  const { organizationId, apiKeyId } = keyOf(actor)
  await assertKeyUnchanged(tx, actor)
  const root = await apiKeys.getRoot(tx, organizationId)
  if (root?.id !== apiKeyId) throw new MailError('narrow_key', { narrowestKey: 'root' })
}

/** Whether a key is the root key is in the database: here, any key of an organization may be it. */
function refuseNarrowKey(actor: KeyActor, narrowestKey: KeyScope): void {
  if (narrowestKey === 'inbox') return
  const isTooNarrow = narrowestKey === 'pod' ? actor.inboxId !== undefined : actor.podId !== undefined
  if (isTooNarrow) throw new MailError('narrow_key', { narrowestKey })
}

/**
 * Finds the pod that a call is about by id or client_id, if it is in the actor's scope.
 *
 * @throws not_found, missing_permission, narrow_key
 */
export async function requirePod(db: Db, actor: KeyActor, permission: Permission, ref: string): Promise<PodRow> {
  const row = await requireVisiblePod(db, actor, ref)
  requirePermission(actor, permission)
  return row
}

async function requireVisiblePod(db: Db, actor: KeyActor, ref: string): Promise<PodRow> {
  requireKeyScope(actor, 'pod')
  const row = await tenants.getPod(db, actor.organizationId, ref)
  if (!row || (actor.podId !== undefined && actor.podId !== row.id)) throw new MailError('not_found', { what: 'Pod' })
  return row
}

/**
 * Checks that the inbox or pod is in the key's scope, for calls that need no permission.
 *
 * @throws not_found; narrow_key for a pod with the key of an inbox
 */
export async function requireVisible(db: Db, actor: KeyActor, { inbox, pod }: Within): Promise<void> {
  if (pod !== undefined) await requireVisiblePod(db, actor, pod)
  if (inbox === undefined) return
  const row = await findInbox(db, inbox)
  if (!row || !covers(actor, row)) throw inboxNotFound(inbox)
}

/** Whether an inbox is in the key's scope, for an object in it that a call names without its inbox. */
export async function isInboxVisible(db: Db, actor: KeyActor, inboxId: string): Promise<boolean> {
  const row = await inboxes.getById(db, inboxId)
  return row !== undefined && covers(actor, row)
}

/**
 * Finds the pods that a filter names by id or client_id, with one statement for each of both.
 *
 * @returns their ids, each once, in the order of `refs`
 * @throws not_found when one of them does not exist or is outside the actor's scope; missing_permission
 */
export async function requirePodIds(
  db: Db,
  actor: KeyActor,
  permission: Permission,
  refs: readonly string[],
): Promise<readonly string[]> {
  if (actor.inboxId !== undefined) throw new MailError('not_found', { what: 'Pod' }) // see requireKeyScope
  const wanted = [...new Set(refs)]
  const found = new Map<string, string>()
  for (const { id } of await tenants.listPodsByIds(db, actor.organizationId, wanted)) found.set(id, id)
  const clientIds = wanted.filter((ref) => !found.has(ref))
  for (const { id, client_id } of await tenants.listPodsByClientIds(db, actor.organizationId, clientIds)) {
    found.set(client_id!, id)
  }
  const ids = wanted.map((ref) => found.get(ref))
  const isMissing = ids.some((id) => id === undefined || (actor.podId !== undefined && actor.podId !== id))
  if (isMissing) throw new MailError('not_found', { what: 'Pod' })
  requirePermission(actor, permission)
  return [...new Set(ids as string[])]
}

/**
 * Returns the scope of a call: what its route names, limited to what the actor may see.
 *
 * @throws not_found, missing_permission, narrow_key
 */
export async function requireScope(db: Db, actor: Actor, permission: Permission, within: Within): Promise<Scope> {
  const key = keyOf(actor)
  if (within.inbox !== undefined) {
    const row = await requireInbox(db, key, permission, within.inbox)
    return { organizationId: row.organization_id, podId: row.pod_id, inboxId: row.id }
  }
  if (within.pod !== undefined) {
    const row = await requirePod(db, key, permission, within.pod)
    return { organizationId: row.organization_id, podId: row.id }
  }
  requirePermission(key, permission)
  return {
    organizationId: key.organizationId,
    ...(key.podId !== undefined && { podId: key.podId }),
    ...(key.inboxId !== undefined && { inboxId: key.inboxId }),
  }
}

/** Whether an inbox is in a scope. */
export function isInScope({ organizationId, podId, inboxId }: Scope, inbox: inboxes.InboxScopeRow): boolean {
  if (inbox.organization_id !== organizationId) return false
  return (podId === undefined || inbox.pod_id === podId) && (inboxId === undefined || inbox.id === inboxId)
}

/**
 * Returns the inbox that a key is limited to, for calls that name no inbox.
 *
 * @returns its id
 * @throws wide_key
 */
export function inboxOf({ inboxId }: KeyActor): string {
  if (inboxId === undefined) throw new MailError('wide_key', {})
  return inboxId
}

/** Returns the key, for calls that belong to a tenant; a system actor has none. */
export function keyOf(actor: Actor): KeyActor {
  if (actor.kind === 'key') return actor
  throw new Error(`system actor ${actor.name} has no organization`) // a bug: no request can cause it
}

/** Returns the bits of the hidden classes to hide: all but those that are requested and that the key may read. */
export function hiddenMaskFor(actor: Actor, include: readonly HiddenLabel[]): number {
  let mask = 0
  for (const hidden of hiddenClasses) {
    if (include.includes(hidden.label) && hasPermission(actor, hidden.permission)) continue
    mask |= hidden.bit
  }
  return mask
}

/** Returns the bits of the hidden classes that the key may not see, even when it requests an object by its id. */
export function forbiddenMask(actor: Actor): number {
  return hiddenMaskFor(
    actor,
    hiddenClasses.map((hidden) => hidden.label),
  )
}
