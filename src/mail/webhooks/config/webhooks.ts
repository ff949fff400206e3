/**
 * Creates, lists, changes and deletes webhooks of an organization, pod or inbox. The filter of a webhook is checked
 * here, by the rules of every subscription, with the permissions of the key that creates or changes it; dispatch.ts and
 * webhook-worker.ts send the events. A webhook belongs to the scope in which it was created, and is deleted with that
 * scope, not with the key.
 */

import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import { lockOrganization } from '../../../store/tables/tenants-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { assertKeyUnchanged, keyOf, requireScope } from '../../access/access.ts'
import { type Actor, actorName, type Within } from '../../access/actor.ts'
import { parseClientId } from '../../access/client-id.ts'
import { lockScope } from '../../access/keys/key-rows.ts'
import { isOwnOrReadable, requireOwnOrReadable } from '../../access/own-or-readable.ts'
import { listPage } from '../../access/paging/list-page.ts'
import type { Page, PageRequest } from '../../access/paging/page-tokens.ts'
import { checkEventFilter, checkEventType } from '../../events/feed/subscription-filter.ts'
import { CANCEL_PENDING, ENABLE_ORDERING } from '../../jobs/job-kinds.ts'
import { enqueue } from '../../jobs/jobs.ts'
import type { WebhookProfile } from '../delivery/webhook-profile.ts'
import { customHeaders } from '../delivery/webhook-request.ts'
import type { SenderFilter } from '../dispatch/sender-filter.ts'
import { isOrdered } from '../ordering/ordering.ts'
import { applyHeaders, parseWebhookUrl } from './endpoint.ts'
import { changedEventFilter, filterOwner, formatList, permissionsOf } from './filter-change.ts'
import type { ChangedWebhook, HeadersChange, NewWebhook, Webhook, WebhookChange } from './webhook.ts'
import { lockWebhook, narrowed, requireWebhook } from './webhook-lookup.ts'
import { rotate } from './webhook-secrets.ts'
import { showWebhook, showWebhooks } from './webhook-views.ts'

/**
 * Every call throws not_found, missing_permission, forbidden, unknown_api_key; those with data also validation_error.
 */
export interface Webhooks {
  /**
   * The webhook gets events that are committed from now on. A repeated client_id in its scope returns the existing one,
   * to a key that has not created it only with `webhook_read`.
   *
   * @throws limit_exceeded
   */
  create(actor: Actor, within: Within, request: NewWebhook): Promise<Webhook>
  /** Everything in the scope of the call, newest first. @throws invalid_page_token */
  list(actor: Actor, within: Within, page: PageRequest): Promise<Page<Webhook>>
  /** @param ref id, or client_id of exactly the scope of the call, here and below */
  get(actor: Actor, within: Within, ref: string): Promise<Webhook>
  /** From then on, the webhook receives what this actor may see. When it is enabled again, it gets only new events. */
  update(actor: Actor, within: Within, ref: string, change: WebhookChange): Promise<ChangedWebhook>
  /** No request begins after this; pending deliveries are not sent. */
  delete(actor: Actor, within: Within, ref: string): Promise<void>
  /**
   * The previous secret continues to sign for limits.webhooks.oldSecretMs.
   *
   * @param secret default: generated
   * @throws limit_exceeded when too many old ones still sign
   */
  rotateSecret(actor: Actor, within: Within, ref: string, secret: string | undefined): Promise<Webhook>
  headerNames(actor: Actor, within: Within, ref: string): Promise<readonly string[]>
  /** Applies the whole change or nothing. */
  changeHeaders(actor: Actor, within: Within, ref: string, change: HeadersChange): Promise<void>
}

/** Names that API paths use in the position of an id. */
const RESERVED_CLIENT_IDS = ['polling']

interface WebhooksNeeds {
  readonly store: Store
  /** The profile of the webhooks that are created and found here. */
  readonly profile: Pick<WebhookProfile, 'name' | 'makeSecret' | 'isSecret' | 'secretForm'>
  readonly random: (bytes: number) => Buffer
  readonly allowPrivateNetworks: boolean
  /** Called after a commit that enabled a webhook. */
  readonly enabled: () => void
  readonly limits: Limits
}

export function createWebhooks({ store, profile, random, enabled, limits, ...rules }: WebhooksNeeds): Webhooks {
  const urlRules = { ...rules, limits }

  return {
    async create(actor, within, request) {
      const clientId = parseWebhookClientId(request.clientId)
      const url = parseWebhookUrl(request.url, urlRules)
      const headers = applyHeaders({}, { set: request.headers }, limits)
      for (const name of request.eventTypes ?? []) checkEventType(name)
      const secret = profile.makeSecret(random)

      // Shown inside the transaction, here and below: after a failed query, a repeated call would make another one.
      const shown = await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const scope = await requireScope(tx, actor, 'webhook_create', within)
        await lockScope(tx, scope) // its deletion marks the webhooks that it finds, and no later one
        const existing =
          clientId === undefined ? undefined : await webhooks.getByClientId(tx, scope, profile.name, clientId)
        if (existing) {
          requireOwnOrReadable(actor, existing, 'webhook_read')
          return showWebhook(tx, existing)
        }

        const key = narrowed(keyOf(actor), scope)
        const { eventTypes = [] } = request
        const found = await checkEventFilter(key, request, { db: tx, ...filterOwner(limits) })
        const namesInboxes = (request.inboxIds?.length ?? 0) > 0
        const namesPods = (request.podIds?.length ?? 0) > 0
        await checkWebhookCount(tx, scope)
        const row: WebhookRow = {
          id: tx.newId(),
          organization_id: scope.organizationId,
          pod_id: scope.podId ?? null,
          inbox_id: scope.inboxId ?? null,
          client_id: clientId ?? null,
          url,
          profile: profile.name,
          event_types: formatList([...(request.extraEventTypes ? found.types : new Set(eventTypes))]),
          pod_ids: namesPods ? formatList(found.podIds) : null,
          inbox_ids: namesInboxes ? formatList(found.inboxIds) : null,
          headers: Object.keys(headers).length === 0 ? null : JSON.stringify(headers),
          secret,
          old_secrets: null,
          order_state: request.isOrdered ? 'ordered' : 'none',
          term: 0,
          is_enabled: request.isEnabled === false ? 0 : 1,
          start_seq: await endOfLog(tx),
          failing_since: null,
          failed_at: null,
          failures: 0,
          has_long_retries: request.hasLongRetries ? 1 : 0,
          disabled_reason: null,
          sender_filter: formatSenders(request.senders),
          permissions: permissionsOf(key),
          created_by: actorName(actor),
          deleting_at: null,
          created_at: tx.now,
          updated_at: tx.now,
        }
        await webhooks.insert(tx, row)
        return showWebhook(tx, row)
      })
      enabled()
      return shown
    },

    async list(actor, within, page) {
      const scope = await requireScope(store.db, actor, 'webhook_read', within)
      return listPage(page, limits, {
        filter: { list: 'webhooks', profile: profile.name, ...scope },
        select: (keyset) => webhooks.list(store.db, scope, profile.name, keyset),
        show: (rows) => showWebhooks(store.db, rows),
      })
    },

    async get(actor, within, ref) {
      const { row } = await requireWebhook(store.db, actor, 'webhook_read', { within, ref, profile: profile.name })
      return showWebhook(store.db, row)
    },

    async update(actor, within, ref, change) {
      const url = change.url === undefined ? undefined : parseWebhookUrl(change.url, urlRules)
      const shown = await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const { row, scope } = await lockWebhook(tx, actor, 'webhook_update', { within, ref, profile: profile.name })
        const changed: WebhookRow = {
          ...row,
          ...changedUrl(row, url),
          ...(await changedEventFilter(tx, narrowed(keyOf(actor), scope), row, change, limits)),
          ...(await changedState(tx, row, change.isEnabled)),
          ...(await changedOrder(tx, row, change.isOrdered)),
          ...(change.hasLongRetries !== undefined && { has_long_retries: change.hasLongRetries ? 1 : 0 }),
          ...(change.senders !== undefined && { sender_filter: formatSenders(change.senders) }),
          updated_at: tx.now,
        }
        await webhooks.update(tx, row.id, changed)
        const { secret, ...others } = await showWebhook(tx, changed)
        return isOwnOrReadable(actor, row, 'webhook_read') ? { ...others, secret } : others
      })
      enabled()
      return shown
    },

    async delete(actor, within, ref) {
      await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const { row } = await lockWebhook(tx, actor, 'webhook_delete', { within, ref, profile: profile.name })
        await webhooks.markDeleting(tx, row.id)
        await enqueue(tx, { kind: CANCEL_PENDING, key: row.id })
      })
    },

    async rotateSecret(actor, within, ref, given) {
      if (given !== undefined && !profile.isSecret(given)) {
        const detail = `${profile.secretForm}; omit it to have one generated`
        throw new MailError('validation_error', { detail, path: ['secret'] })
      }
      const secret = given ?? profile.makeSecret(random)
      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const { row } = await lockWebhook(tx, actor, 'webhook_update', { within, ref, profile: profile.name })
        const changed = { ...row, ...rotate(row, secret, tx.now, limits), updated_at: tx.now }
        await webhooks.update(tx, row.id, changed)
        return showWebhook(tx, changed)
      })
    },

    async headerNames(actor, within, ref) {
      const { row } = await requireWebhook(store.db, actor, 'webhook_read', { within, ref, profile: profile.name })
      return Object.keys(customHeaders(row))
    },

    async changeHeaders(actor, within, ref, change) {
      if (Object.keys(change.set ?? {}).length + (change.remove?.length ?? 0) === 0) {
        throw new MailError('validation_error', { detail: 'Send headers or remove_headers' })
      }
      await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const { row } = await lockWebhook(tx, actor, 'webhook_update', { within, ref, profile: profile.name })
        const headers = applyHeaders(customHeaders(row), change, limits)
        const stored = Object.keys(headers).length === 0 ? null : JSON.stringify(headers)
        await webhooks.update(tx, row.id, { headers: stored, updated_at: tx.now })
      })
    },
  }

  /** @throws limit_exceeded */
  async function checkWebhookCount(tx: Tx, scope: webhooks.WebhookScope): Promise<void> {
    const { perOrganizationMax, perPodMax } = limits.webhooks
    await lockOrganization(tx, scope.organizationId)
    const { inOrganization, inPod } = await webhooks.countOf(tx, scope, perOrganizationMax)
    if (inOrganization >= perOrganizationMax) {
      throw new MailError('limit_exceeded', { what: 'webhooks in an organization', max: perOrganizationMax })
    }
    if (inPod >= perPodMax) throw new MailError('limit_exceeded', { what: 'webhooks in a pod', max: perPodMax })
  }
}

/**
 * Responses of the old URL say nothing about the new one. Custom header fields are meant for the old URL: a key that
 * may change the URL must not be able to read them elsewhere.
 */
function changedUrl(row: WebhookRow, url: string | undefined): Partial<WebhookRow> {
  if (url === undefined || url === row.url) return {}
  const isElsewhere = new URL(url).origin !== new URL(row.url).origin
  return { url, failing_since: null, failed_at: null, failures: 0, ...(isElsewhere && { headers: null }) }
}

/** After it is enabled, a webhook gets only new events; when it is disabled, its pending deliveries are cancelled. */
async function changedState(tx: Tx, row: WebhookRow, isEnabled: boolean | undefined): Promise<Partial<WebhookRow>> {
  if (isEnabled === undefined || isEnabled === (row.is_enabled === 1)) return {}
  if (isEnabled) {
    const healthy = { failing_since: null, failed_at: null, failures: 0, disabled_reason: null }
    return { is_enabled: 1, start_seq: await endOfLog(tx), ...healthy }
  }
  await enqueue(tx, { kind: CANCEL_PENDING, key: row.id })
  return { is_enabled: 0, term: row.term + 1, disabled_reason: null }
}

/** Existing deliveries get or lose their ordering key before the next one is sent (enable-ordering.ts). */
async function changedOrder(
  tx: Tx,
  row: WebhookRow,
  isWanted: boolean | undefined,
): Promise<Partial<Pick<WebhookRow, 'order_state'>>> {
  if (isWanted === undefined || isWanted === isOrdered(row)) return {}
  await enqueue(tx, { kind: ENABLE_ORDERING, key: row.id })
  return { order_state: isWanted ? 'enabling' : 'none' }
}

/** Returns a filter in the form of the row; null: all senders. */
function formatSenders(senders: SenderFilter | undefined): string | null {
  return senders === undefined ? null : JSON.stringify(senders)
}

async function endOfLog(tx: Tx): Promise<number> {
  return (await events.requireLog(tx)).last_seq
}

function parseWebhookClientId(clientId: string | undefined): string | undefined {
  if (clientId === undefined || !RESERVED_CLIENT_IDS.includes(clientId)) return parseClientId(clientId)
  throw new MailError('validation_error', { detail: `client_id cannot be "${clientId}"`, path: ['client_id'] })
}
