/**
 * App passwords: passwords of mail programs, for one inbox (docs/adr/0057). Creates, lists, rotates and deletes them. An app password
 * is a row of `api_keys` with a kind of its own, so that it is revoked and checked like a key; but no HTTP request accepts it,
 * and it grants only what mail programs do. Only the response that made it contains its text.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { ApiKeyRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as apiKeys from '../../../store/tables/api-keys-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import { assertKeyUnchanged, keyOf, requireScope, type Scope } from '../access.ts'
import { type Actor, actorName } from '../actor.ts'
import { parseName } from '../object-name.ts'
import { listPage } from '../paging/list-page.ts'
import type { Page, PageRequest } from '../paging/page-tokens.ts'
import { type Permission, parsePermissions } from '../permissions.ts'
import { checkNoEscalation, checkNotStronger, resolveExpiry } from './api-key-rules.ts'
import { type KeyRevoked, keyColumns } from './api-keys.ts'
import { checkKeyCount, lockScope, requireKeyRow } from './key-rows.ts'

export interface AppPassword {
  readonly id: string
  /** The first characters, which may be shown. */
  readonly prefix: string
  readonly name: string
  readonly inboxId: string
  readonly inboxAddress: string
  /** What a mail program may do with it. */
  readonly permissions: readonly Permission[]
  /** Epoch ms. */
  readonly usedAt?: number
  readonly expiresAt?: number
  readonly createdAt: number
  readonly updatedAt: number
}

export interface AppPasswordRequest {
  readonly name?: string | undefined
  /** Only those that mail programs use count. */
  readonly permissions?: readonly Permission[] | undefined
}

export type NewAppPassword = AppPassword & { readonly password: string }

/** The core calls demand the permissions of API keys: `api_key_create`, `_read`, `_update`, `_delete`. */
export interface AppPasswords {
  /**
   * By default it may do what mail programs do, as far as the actor may do it too. It expires with the actor's key.
   *
   * @throws missing_permission, permission_escalation, not_found, validation_error, limit_exceeded
   */
  create(actor: Actor, inbox: string, request: AppPasswordRequest): Promise<NewAppPassword>
  /** Newest first. */
  list(actor: Actor, inbox: string, page: PageRequest): Promise<Page<AppPassword>>
  /** @throws not_found */
  get(actor: Actor, inbox: string, id: string): Promise<AppPassword>
  /**
   * Replaces the password. The old one stops working at once, and its sessions are closed.
   *
   * @throws not_found; forbidden for one with more permissions, or a later expiry, than the actor's key
   */
  rotate(actor: Actor, inbox: string, id: string): Promise<NewAppPassword>
  /** It stops working at once, and its sessions are closed. @throws not_found, forbidden */
  delete(actor: Actor, inbox: string, id: string): Promise<void>
}

/** What mail programs do: read, send, file and delete mail, and write drafts. */
const MAIL_PERMISSIONS: readonly Permission[] = [
  ...(['message_read', 'message_send', 'message_update', 'message_delete'] as const),
  ...(['label_spam_read', 'label_blocked_read', 'label_unauthenticated_read', 'label_trash_read'] as const),
  ...(['draft_read', 'draft_create', 'draft_update', 'draft_delete', 'draft_send'] as const),
]

const PREFIX = 'app_'
/** 20 random bytes: 160 bits, so that a fast hash protects it (credentials.ts). */
const PASSWORD_BYTES = 20

interface NewPasswordNeeds {
  readonly random: (bytes: number) => Buffer
  readonly limits: Limits
}

interface AppPasswordsNeeds extends NewPasswordNeeds {
  readonly store: Store
  readonly keyRevoked: KeyRevoked
}

export function createAppPasswords({ store, random, limits, keyRevoked }: AppPasswordsNeeds): AppPasswords {
  return {
    async create(actor, inbox, request) {
      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const scope = await requireScope(tx, actor, 'api_key_create', { inbox })
        if (request.permissions) checkNoEscalation(keyOf(actor), request.permissions)
        await lockScope(tx, scope)
        return addAppPassword(tx, actor, scope, request, { random, limits })
      })
    },

    async list(actor, inbox, page) {
      const { organizationId, podId, inboxId } = await requireScope(store.db, actor, 'api_key_read', { inbox })
      const exactScope = { organizationId, podId: podId!, inboxId: inboxId! }
      return listPage(page, limits, {
        filter: { ...exactScope, list: 'app passwords' },
        select: (keyset) => apiKeys.list(store.db, 'app_password', exactScope, keyset),
        show: (rows) => show(store.db, rows),
      })
    },

    async get(actor, inbox, id) {
      const row = await requireKeyRow(store.db, actor, 'api_key_read', { inbox, kind: 'app_password', id })
      return (await show(store.db, [row]))[0]!
    },

    async rotate(actor, inbox, id) {
      const password = makePassword(random)
      return store.transaction(async (tx) => {
        const row = await lockRow(tx, actor, 'api_key_update', { inbox, id })
        await resolveExpiry(tx, actor, row.expires_at) // who rotates it learns it
        const changed = { ...keyColumns(password), updated_at: tx.now }
        await apiKeys.update(tx, id, changed)
        keyRevoked(tx, actor, { id, organizationId: row.organization_id })
        return { ...(await show(tx, [{ ...row, ...changed }]))[0]!, password }
      })
    },

    async delete(actor, inbox, id) {
      await store.transaction(async (tx) => {
        const row = await lockRow(tx, actor, 'api_key_delete', { inbox, id })
        await apiKeys.remove(tx, id)
        keyRevoked(tx, actor, { id, organizationId: row.organization_id })
      })
    },
  }

  async function lockRow(
    tx: Tx,
    actor: Actor,
    permission: Permission,
    { inbox, id }: { readonly inbox: string; readonly id: string },
  ): Promise<ApiKeyRow> {
    await assertKeyUnchanged(tx, actor)
    await apiKeys.lockById(tx, id)
    const row = await requireKeyRow(tx, actor, permission, { inbox, kind: 'app_password', id })
    checkNotStronger(keyOf(actor), row)
    return row
  }
}

/**
 * Adds an app password, for an actor that may create one.
 *
 * @param scope of an inbox that this transaction has locked or created
 * @throws validation_error, limit_exceeded
 */
export async function addAppPassword(
  tx: Tx,
  actor: Actor,
  scope: Scope,
  request: AppPasswordRequest,
  { random, limits }: NewPasswordNeeds,
): Promise<NewAppPassword> {
  const password = makePassword(random)
  const name = parseName(request.name, limits) ?? 'App password'
  const granted = (request.permissions && new Set(request.permissions)) ?? keyOf(actor).permissions
  const isGranted = (permission: Permission) => granted?.has(permission) ?? true
  const expiresAt = await resolveExpiry(tx, actor, undefined)
  await checkKeyCount(tx, scope, limits)
  const row: ApiKeyRow = {
    id: tx.newId(),
    kind: 'app_password',
    organization_id: scope.organizationId,
    pod_id: scope.podId!,
    inbox_id: scope.inboxId!,
    name,
    ...keyColumns(password),
    permissions: JSON.stringify(MAIL_PERMISSIONS.filter(isGranted)),
    is_root: 0,
    created_by: actorName(actor),
    expires_at: expiresAt,
    used_at: null,
    created_at: tx.now,
    updated_at: tx.now,
  }
  await apiKeys.insert(tx, row)
  return { ...(await show(tx, [row]))[0]!, password }
}

function makePassword(random: (bytes: number) => Buffer): string {
  return PREFIX + random(PASSWORD_BYTES).toString('hex')
}

async function show(db: Parameters<typeof inboxes.addresses>[0], rows: readonly ApiKeyRow[]): Promise<AppPassword[]> {
  const addresses = await inboxes.addresses(db, [...new Set(rows.flatMap((row) => row.inbox_id ?? []))])
  return rows.map((row) => ({
    id: row.id,
    prefix: row.prefix,
    name: row.name,
    inboxId: row.inbox_id!,
    inboxAddress: addresses.get(row.inbox_id!) ?? '',
    permissions: parsePermissions(row.permissions ?? '[]'),
    ...(row.used_at !== null && { usedAt: row.used_at }),
    ...(row.expires_at !== null && { expiresAt: row.expires_at }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }))
}
