/**
 * Webhooks: made, listed, changed and deleted at organization, pod and inbox level. Which events one is told of is decided
 * here, by the rules of every subscription, in the name of the key that makes or changes it; telling is dispatch.ts's and
 * deliver.ts's. A webhook belongs to the scope in which it was made, and ends with it, not with the key.
 */

import { isMailError, MailError } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import type { Db, Tx, WebhookRow } from '../../store/schema.ts'
import type { Store } from '../../store/store.ts'
import * as events from '../../store/tables/events.ts'
import * as inboxes from '../../store/tables/inboxes.ts'
import * as table from '../../store/tables/webhooks.ts'
import { confirm, requireInbox, requireKey, requirePod, requireScope, type Scope } from '../access/access.ts'
import type { Actor, KeyActor, Within } from '../access/actor.ts'
import { requireClientId } from '../access/client-id.ts'
import { closePage, openPage } from '../access/paging.ts'
import type { Permission } from '../access/permissions.ts'
import { checkInterest, type Resolve } from '../events/interest.ts'
import { enqueue } from '../jobs/jobs.ts'
import { SETTLE_WEBHOOK } from '../jobs/kinds.ts'
import { applyHeaders, requireUrl } from './endpoint.ts'
import { list } from './matching.ts'
import type { WebhookProfile } from './profile.ts'
import type { CustomHeaders, Webhook, WebhookChange, Webhooks } from './webhook.ts'

/** Names that stand in paths where an id would. */
const RESERVED_CLIENT_IDS = ['polling']

interface WebhooksNeeds {
  readonly store: Store
  /** Of the webhooks that are made here. */
  readonly profile: Pick<WebhookProfile, 'name' | 'makeSecret'>
  readonly random: (bytes: number) => Buffer
  readonly allowPrivateNetworks: boolean
  /** Called after a commit that switched one on. */
  readonly enabled: () => void
  readonly limits: Pick<
    Limits,
    | 'pageDefault'
    | 'pageMax'
    | 'webhooksMax'
    | 'webhookIdsMax'
    | 'webhookUrlCharsMax'
    | 'webhookHeadersMax'
    | 'webhookHeaderCharsMax'
  >
}

export function createWebhooks({ store, profile, random, enabled, limits, ...rules }: WebhooksNeeds): Webhooks {
  const urlRules = { ...rules, limits }
  const idLimits = { subscriptionIdsMax: limits.webhookIdsMax }

  return {
    async create(actor, within, request) {
      const clientId = requireWebhookClientId(request.clientId)
      const url = requireUrl(request.url, urlRules)
      const headers = applyHeaders({}, { set: request.headers }, limits)
      const secret = profile.makeSecret(random)

      const row = await store.transaction(async (tx) => {
        await confirm(tx, actor)
        const scope = await requireScope(tx, actor, 'webhook_create', within)
        const existing =
          clientId === undefined ? undefined : await table.getByClientId(tx, scope.organizationId, clientId)
        if (existing && isInScope(existing, scope)) return existing
        if (existing) throw new MailError('resource_taken', { what: 'The client_id' })

        const key = narrowed(requireKey(actor), scope)
        const { eventTypes = [] } = request
        const found = await checkInterest(key, request, { resolve: resolveIn(tx), limits: idLimits })
        const namesInboxes = (request.inboxIds?.length ?? 0) > 0
        const namesPods = (request.podIds?.length ?? 0) > 0
        if (await table.hasAsMany(tx, scope.organizationId, limits.webhooksMax)) {
          throw new MailError('limit_exceeded', { what: 'webhooks in an organization', max: limits.webhooksMax })
        }
        const row: WebhookRow = {
          id: tx.newId(),
          organization_id: scope.organizationId,
          pod_id: scope.podId ?? null,
          inbox_id: scope.inboxId ?? null,
          client_id: clientId ?? null,
          url,
          profile: profile.name,
          event_types: json([...new Set(eventTypes)]),
          pod_ids: namesPods ? json(found.podIds) : null,
          inbox_ids: namesInboxes ? json(found.inboxIds) : null,
          headers: Object.keys(headers).length === 0 ? null : JSON.stringify(headers),
          secret,
          is_enabled: request.isEnabled === false ? 0 : 1,
          cursor_seq: await endOfLog(tx),
          failing_since: null,
          disabled_reason: null,
          permissions: permissionsOf(key),
          deleting_at: null,
          created_at: tx.now,
          updated_at: tx.now,
        }
        await table.insert(tx, row)
        return row
      })
      enabled()
      return view(store.db, row)
    },

    async list(actor, within, page) {
      const scope = await requireScope(store.db, actor, 'webhook_read', within)
      const filter = { list: 'webhooks', ...scope }
      const window = openPage(page, filter, { default: limits.pageDefault, max: limits.pageMax })
      const rows = await table.list(store.db, scope, { ...window, limit: window.limit + 1 })
      const shown = rows.slice(0, window.limit)
      const last = rows.length > window.limit ? shown.at(-1) : undefined
      const items = await viewAll(store.db, shown)
      return closePage(items, window, filter, last && { key: last.created_at, id: last.id })
    },

    async get(actor, within, ref) {
      const { row } = await requireWebhook(store.db, actor, 'webhook_read', within, ref)
      return view(store.db, row)
    },

    async update(actor, within, ref, change) {
      const url = change.url === undefined ? undefined : requireUrl(change.url, urlRules)
      const row = await store.transaction(async (tx) => {
        await confirm(tx, actor)
        const { row, scope } = await holdWebhook(tx, actor, 'webhook_update', within, ref)
        const changed: WebhookRow = {
          ...row,
          url: url ?? row.url,
          ...(await changedInterest(tx, narrowed(requireKey(actor), scope), row, change)),
          ...(await changedState(tx, row, change.isEnabled)),
          updated_at: tx.now,
        }
        await table.update(tx, row.id, changed)
        return changed
      })
      enabled()
      return view(store.db, row)
    },

    async delete(actor, within, ref) {
      await store.transaction(async (tx) => {
        await confirm(tx, actor)
        const { row } = await holdWebhook(tx, actor, 'webhook_delete', within, ref)
        await table.mark(tx, row.id)
        await enqueue(tx, { kind: SETTLE_WEBHOOK, key: row.id })
      })
    },

    async headerNames(actor, within, ref) {
      const { row } = await requireWebhook(store.db, actor, 'webhook_read', within, ref)
      return Object.keys(headersOf(row))
    },

    async changeHeaders(actor, within, ref, change) {
      if (Object.keys(change.set ?? {}).length + (change.remove?.length ?? 0) === 0) {
        throw new MailError('validation_error', { detail: 'Give headers to set or remove' })
      }
      await store.transaction(async (tx) => {
        await confirm(tx, actor)
        const { row } = await holdWebhook(tx, actor, 'webhook_update', within, ref)
        const headers = applyHeaders(headersOf(row), change, limits)
        const stored = Object.keys(headers).length === 0 ? null : JSON.stringify(headers)
        await table.update(tx, row.id, { headers: stored, updated_at: tx.now })
      })
    },
  }

  /**
   * What it is told of after a change. Whoever changes a webhook could send its events to another URL, so all of them must
   * be such as that key may see; to switch one off, it may be any.
   */
  async function changedInterest(
    tx: Tx,
    key: KeyActor,
    row: WebhookRow,
    change: WebhookChange,
  ): Promise<Pick<WebhookRow, 'event_types' | 'inbox_ids' | 'pod_ids' | 'permissions'>> {
    const { event_types, inbox_ids, pod_ids, permissions } = row
    const isOnlySwitchedOff = change.isEnabled === false && Object.values(change).filter(isGiven).length === 1
    if (isOnlySwitchedOff) return { event_types, inbox_ids, pod_ids, permissions }

    const eventTypes = change.eventTypes?.length ? [...new Set(change.eventTypes)] : list(event_types)
    const added = { inboxIds: change.inboxIds ?? change.addInboxIds ?? [], podIds: change.addPodIds ?? [] }
    const needs = { resolve: resolveIn(tx), limits: idLimits }
    const found = await checkInterest(key, { ...added, eventTypes }, needs)
    const gone = await resolveRemoved(tx, key, change)
    const isWhole = inbox_ids === null && pod_ids === null
    const add = (now: readonly string[], more: readonly string[]) => new Set([...now, ...(isWhole ? [] : more)])
    const newInboxes = added.inboxIds.length > 0 ? found.inboxIds : []
    const inboxIds = change.inboxIds ? new Set(newInboxes) : add(list(inbox_ids), newInboxes)
    const podIds = add(list(pod_ids), added.podIds.length > 0 ? found.podIds : [])
    for (const id of gone) for (const ids of [inboxIds, podIds]) ids.delete(id)

    requireCount('inbox_ids', inboxIds.size)
    requireCount('pod_ids', podIds.size)
    if (!isWhole && change.inboxIds === undefined && inboxIds.size + podIds.size === 0) {
      const detail = 'A webhook of named inboxes or pods must keep one; delete it, or make one of everything'
      throw new MailError('validation_error', { detail })
    }
    return {
      event_types: json(eventTypes),
      inbox_ids: json([...inboxIds]),
      pod_ids: json([...podIds]),
      permissions: permissionsOf(key),
    }
  }

  function requireCount(field: string, count: number): void {
    if (count <= limits.webhookIdsMax) return
    const detail = `A webhook can name at most ${limits.webhookIdsMax} ${field}`
    throw new MailError('validation_error', { detail, path: [field] })
  }
}

/** Switched on, it is told of what comes from now on; switched off, what waits is cancelled. */
async function changedState(
  tx: Tx,
  row: WebhookRow,
  isEnabled: boolean | undefined,
): Promise<Partial<Pick<WebhookRow, 'is_enabled' | 'cursor_seq' | 'failing_since' | 'disabled_reason'>>> {
  if (isEnabled === undefined || isEnabled === (row.is_enabled === 1)) return {}
  if (isEnabled) {
    return { is_enabled: 1, cursor_seq: await endOfLog(tx), failing_since: null, disabled_reason: null }
  }
  await enqueue(tx, { kind: SETTLE_WEBHOOK, key: row.id })
  return { is_enabled: 0, disabled_reason: null }
}

async function endOfLog(tx: Tx): Promise<number> {
  return (await events.requireLog(tx)).last_seq
}

/** @throws not_found outside the scope of the call */
async function requireWebhook(
  db: Db,
  actor: Actor,
  permission: Permission,
  within: Within,
  ref: string,
): Promise<{ row: WebhookRow; scope: Scope }> {
  const scope = await requireScope(db, actor, permission, within)
  const row = (await table.getById(db, ref)) ?? (await table.getByClientId(db, scope.organizationId, ref))
  if (!row || !isInScope(row, scope)) throw new MailError('not_found', { what: 'Webhook' })
  return { row, scope: scopeOf(row) }
}

/** The same for a change: no other node changes it until the commit. */
async function holdWebhook(
  tx: Tx,
  ...[actor, permission, within, ref]: [actor: Actor, permission: Permission, within: Within, ref: string]
): Promise<{ row: WebhookRow; scope: Scope }> {
  const { row: found, scope } = await requireWebhook(tx, actor, permission, within, ref)
  const row = await table.holdById(tx, found.id)
  if (!row) throw new MailError('not_found', { what: 'Webhook' })
  return { row, scope }
}

function scopeOf(row: WebhookRow): Scope {
  return {
    organizationId: row.organization_id,
    ...(row.pod_id !== null && { podId: row.pod_id }),
    ...(row.inbox_id !== null && { inboxId: row.inbox_id }),
  }
}

function isInScope(row: WebhookRow, scope: Scope): boolean {
  return (
    row.organization_id === scope.organizationId &&
    (scope.podId === undefined || row.pod_id === scope.podId) &&
    (scope.inboxId === undefined || row.inbox_id === scope.inboxId)
  )
}

/** The key inside the webhook's scope: a pod's webhook names inboxes of that pod, whoever makes it. */
function narrowed(key: KeyActor, scope: Scope): KeyActor {
  return {
    ...key,
    ...(scope.podId !== undefined && { podId: scope.podId }),
    ...(scope.inboxId !== undefined && { inboxId: scope.inboxId }),
  }
}

function resolveIn(tx: Tx): Resolve {
  return {
    inboxId: async (actor, ref) => (await requireInbox(tx, actor, 'message_read', ref)).id,
    podId: async (actor, ref) => (await requirePod(tx, requireKey(actor), 'message_read', ref)).id,
  }
}

/** Ids of what is named for removal. What is not there any more has nothing to be removed. */
async function resolveRemoved(tx: Tx, key: KeyActor, change: WebhookChange): Promise<string[]> {
  const { inboxId, podId } = resolveIn(tx)
  const ids: string[] = []
  for (const ref of change.removeInboxIds ?? []) ids.push(ref, ...(await unlessGone(inboxId(key, ref))))
  for (const ref of change.removePodIds ?? []) ids.push(ref, ...(await unlessGone(podId(key, ref))))
  return ids
}

async function unlessGone(id: Promise<string>): Promise<string[]> {
  try {
    return [await id]
  } catch (error) {
    if (isMailError(error, 'not_found')) return []
    throw error
  }
}

function requireWebhookClientId(clientId: string | undefined): string | undefined {
  if (clientId === undefined || !RESERVED_CLIENT_IDS.includes(clientId)) return requireClientId(clientId)
  throw new MailError('validation_error', { detail: `client_id cannot be "${clientId}"`, path: ['client_id'] })
}

function isGiven(value: unknown): boolean {
  return value !== undefined
}

function permissionsOf(key: KeyActor): string | null {
  return key.permissions === undefined ? null : JSON.stringify([...key.permissions])
}

function headersOf(row: WebhookRow): CustomHeaders {
  return row.headers === null ? {} : (JSON.parse(row.headers) as CustomHeaders)
}

function json(list: readonly string[]): string | null {
  return list.length === 0 ? null : JSON.stringify(list)
}

async function view(db: Db, row: WebhookRow): Promise<Webhook> {
  const [webhook] = await viewAll(db, [row])
  return webhook!
}

async function viewAll(db: Db, rows: readonly WebhookRow[]): Promise<Webhook[]> {
  const ids = rows.flatMap((row) => [...list(row.inbox_ids), ...(row.inbox_id === null ? [] : [row.inbox_id])])
  const addresses = await inboxes.addresses(db, [...new Set(ids)])
  return rows.map((row) => {
    const address = row.inbox_id === null ? undefined : addresses.get(row.inbox_id)
    return {
      id: row.id,
      url: row.url,
      ...(row.event_types !== null && { eventTypes: list(row.event_types) }),
      ...(row.pod_ids !== null && { podIds: list(row.pod_ids) }),
      ...(row.inbox_ids !== null && { inboxAddresses: list(row.inbox_ids).flatMap((id) => addresses.get(id) ?? []) }),
      ...(row.pod_id !== null && { podId: row.pod_id }),
      ...(address !== undefined && { inboxAddress: address }),
      secret: row.secret,
      isEnabled: row.is_enabled === 1,
      ...(row.client_id !== null && { clientId: row.client_id }),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    }
  })
}
