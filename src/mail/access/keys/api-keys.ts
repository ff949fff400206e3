/**
 * Creates, lists, changes and deletes API keys at organization, pod and inbox level. A key never grants more than its
 * creator has, and only the response that created it contains its text.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Db, Tx } from '../../../store/handles.ts'
import type { ApiKeyRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as apiKeys from '../../../store/tables/api-keys-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import { assertKeyUnchanged, keyOf, requireScope } from '../access.ts'
import { type Actor, actorName, type Within } from '../actor.ts'
import { parseName } from '../object-name.ts'
import { listPage } from '../paging/list-page.ts'
import type { Page, PageRequest } from '../paging/page-tokens.ts'
import { type Permission, parsePermissions } from '../permissions.ts'
import type { ApiKey, KeyForm, NewApiKey } from './api-key.ts'
import { checkNoEscalation, checkNotStronger, isRaised, resolveExpiry } from './api-key-rules.ts'
import { hashKey } from './credentials.ts'
import { checkKeyCount, lockScope, requireKeyRow } from './key-rows.ts'

export interface ApiKeys {
  /**
   * Creates a key for the organization, a pod or an inbox. Only this response contains its text.
   *
   * @throws missing_permission, permission_escalation, unrestricted_key_required, not_found, validation_error,
   *   limit_exceeded
   */
  create(actor: Actor, within: Within, request: NewApiKey): Promise<ApiKey & { readonly key: string }>
  /** Lists the keys of exactly this level, newest first. */
  list(actor: Actor, within: Within, page: PageRequest): Promise<Page<ApiKey>>
  /** @throws not_found */
  get(actor: Actor, within: Within, id: string): Promise<ApiKey>
  /**
   * Changes the name, or narrows or widens the permissions, under the rules of create. `permissions: null` grants all. The time of
   * expiry is fixed: another `expiresAt` than that of the key is refused, and null (never) if it expires.
   *
   * @throws not_found; forbidden for a key with more permissions than the actor's
   */
  update(
    actor: Actor,
    within: Within,
    id: string,
    change: {
      name?: string | undefined
      permissions?: readonly Permission[] | null | undefined
      expiresAt?: number | null | undefined
    },
  ): Promise<ApiKey>
  /**
   * The key stops working at once and its WebSockets are closed.
   *
   * @throws not_found; forbidden for a key with more permissions than the actor's; cannot_delete for the root key
   */
  delete(actor: Actor, within: Within, id: string): Promise<void>
}

/** AgentMail's tools recognise an API key by `am_` (docs/compatibility/agentmail.md). */
const AGENTMAIL: KeyForm = { prefix: 'am_us_' }
/** 32 random bytes: 256 bits. */
const KEY_BYTES = 32
/** Characters after the prefix that are shown. */
const SHOWN_CHARS = 6
/** 5 random bytes: keys of one organization rarely share an id, and nothing depends on that. */
const SHORT_ID_BYTES = 5

interface ApiKeysNeeds {
  readonly store: Store
  readonly random: (bytes: number) => Buffer
  readonly clock: () => number
  readonly limits: Limits
  readonly keyRevoked: KeyRevoked
}

/**
 * Notifies WebSockets and other nodes that a key was deleted or its permissions changed, by an event in the same
 * transaction.
 */
export type KeyRevoked = (tx: Tx, actor: Actor, key: { id: string; organizationId: string }) => void

export function createApiKeys({ store, random, clock, limits, keyRevoked }: ApiKeysNeeds): ApiKeys {
  return {
    async create(actor, within, request) {
      const key = makeKey(random, request.form)
      const name = parseName(request.name, limits) ?? 'API key'
      if (request.expiresAt !== undefined && request.expiresAt <= clock()) {
        throw new MailError('validation_error', { detail: 'expires_at must be in the future', path: ['expires_at'] })
      }
      // Render it inside the transaction: nothing may fail after the commit, or a repeated call creates another key.
      const made = await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const scope = await requireScope(tx, actor, 'api_key_create', within)
        checkNoEscalation(keyOf(actor), request.permissions)
        const expiresAt = await resolveExpiry(tx, actor, request.expiresAt)
        await lockScope(tx, scope)
        await checkKeyCount(tx, scope, limits)
        const row: ApiKeyRow = {
          id: tx.newId(),
          kind: 'bearer',
          organization_id: scope.organizationId,
          pod_id: scope.podId ?? null,
          inbox_id: scope.inboxId ?? null,
          name,
          ...keyColumns(key, request.form),
          permissions: request.permissions === undefined ? null : JSON.stringify(request.permissions),
          is_root: 0,
          created_by: actorName(actor),
          expires_at: expiresAt,
          used_at: null,
          created_at: tx.now,
          updated_at: tx.now,
        }
        await apiKeys.insert(tx, row)
        return showApiKey(tx, row)
      })
      return { ...made, key }
    },

    async list(actor, within, page) {
      const scope = await requireScope(store.db, actor, 'api_key_read', within)
      const exactScope = {
        organizationId: scope.organizationId,
        podId: scope.podId ?? null,
        inboxId: scope.inboxId ?? null,
      }
      return listPage(page, limits, {
        filter: exactScope,
        select: (keyset) => apiKeys.list(store.db, 'bearer', exactScope, keyset),
        show: (rows) => showApiKeys(store.db, rows),
      })
    },

    async get(actor, within, id) {
      return showApiKey(
        store.db,
        await requireKeyRow(store.db, actor, 'api_key_read', { ...within, kind: 'bearer', id }),
      )
    },

    async update(actor, within, id, change) {
      const name = parseName(change.name, limits)
      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        await apiKeys.lockById(tx, id)
        const row = await requireKeyRow(tx, actor, 'api_key_update', { ...within, kind: 'bearer', id })
        checkNotStronger(keyOf(actor), row)
        if (change.expiresAt !== undefined && change.expiresAt !== row.expires_at) {
          const detail = 'expires_at cannot be changed: create another key with it, and delete this one'
          throw new MailError('validation_error', { detail, path: ['expires_at'] })
        }
        if (change.permissions !== undefined) {
          checkNoEscalation(keyOf(actor), change.permissions ?? undefined)
          if (row.is_root) throw new MailError('forbidden', { detail: 'The root key always has every permission' })
          if (isRaised(row, change.permissions)) await resolveExpiry(tx, actor, row.expires_at)
        }
        const changed: ApiKeyRow = {
          ...row,
          name: name ?? row.name,
          permissions:
            change.permissions === undefined
              ? row.permissions
              : change.permissions && JSON.stringify(change.permissions),
          updated_at: tx.now,
        }
        await apiKeys.update(tx, id, {
          name: changed.name,
          permissions: changed.permissions,
          updated_at: changed.updated_at,
        })
        // A WebSocket keeps the permissions that it was opened with: its client must reconnect to get the new ones.
        if (change.permissions !== undefined) keyRevoked(tx, actor, { id, organizationId: row.organization_id })
        return showApiKey(tx, changed)
      })
    },

    async delete(actor, within, id) {
      await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        await apiKeys.lockById(tx, id)
        const row = await requireKeyRow(tx, actor, 'api_key_delete', { ...within, kind: 'bearer', id })
        checkNotStronger(keyOf(actor), row)
        if (row.is_root) {
          const detail = 'The root key cannot be deleted; start with another MARTLET_ROOT_KEY to replace it'
          throw new MailError('cannot_delete', { detail })
        }
        await apiKeys.remove(tx, id)
        keyRevoked(tx, actor, { id, organizationId: row.organization_id })
      })
    },
  }
}

export function makeKey(random: (bytes: number) => Buffer, { prefix, hasId }: KeyForm = AGENTMAIL): string {
  const id = hasId ? `${random(SHORT_ID_BYTES).toString('hex')}_` : ''
  return prefix + id + random(KEY_BYTES).toString('hex')
}

/** Returns the columns that are derived from a key's text. */
export function keyColumns(key: string, form: KeyForm = AGENTMAIL): Pick<ApiKeyRow, 'prefix' | 'key_hash'> {
  const shownChars = form.prefix.length + (form.hasId ? 2 * SHORT_ID_BYTES + 1 : SHOWN_CHARS)
  return { prefix: key.slice(0, shownChars), key_hash: hashKey(key) }
}

async function showApiKey(db: Db, row: ApiKeyRow): Promise<ApiKey> {
  const [key] = await showApiKeys(db, [row])
  return key!
}

/** Reads the addresses of all inboxes in one query. */
async function showApiKeys(db: Db, rows: readonly ApiKeyRow[]): Promise<ApiKey[]> {
  const addresses = await inboxes.addresses(db, [...new Set(rows.flatMap((row) => row.inbox_id ?? []))])
  return rows.map((row) => {
    const address = row.inbox_id === null ? undefined : addresses.get(row.inbox_id)
    return {
      id: row.id,
      prefix: row.prefix,
      name: row.name,
      ...(row.pod_id !== null && { podId: row.pod_id }),
      ...(row.inbox_id !== null && { inboxId: row.inbox_id }),
      ...(address !== undefined && { inboxAddress: address }),
      ...(row.permissions !== null && { permissions: parsePermissions(row.permissions) }),
      ...(row.used_at !== null && { usedAt: row.used_at }),
      ...(row.expires_at !== null && { expiresAt: row.expires_at }),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    }
  })
}
