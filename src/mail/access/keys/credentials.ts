/**
 * Authenticates an API key's text as an actor.
 *
 * Keys are stored as SHA-256 hashes: they are 256 bits of randomness, so a slow password hash would only make requests
 * slow. The time of last use stays in memory and is written each minute, since a write per read would cost more than
 * the read.
 */
import { hash } from 'node:crypto'
import type { RequestRate } from '../../../errors/resource-errors.ts'
import { MailError } from '../../../errors.ts'
import type { ApiKeyRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as apiKeys from '../../../store/tables/api-keys-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import { isExpired } from '../access.ts'
import type { KeyActor } from '../actor.ts'
import { parsePermissions } from '../permissions.ts'
import type { RequestRates } from './request-rates.ts'

export interface Credentials {
  /**
   * Authenticates and counts a request.
   *
   * @param key text of an API key
   * @throws unknown_api_key when it is unknown, deleted or expired; rate_limit_exceeded
   */
  authenticate(key: string): Promise<KeyActor>
  /**
   * Authenticates the password of a mail program (logins.ts): an API key, or an app password.
   *
   * @returns undefined when it is neither
   */
  authenticatePassword(password: string): Promise<PasswordActor | undefined>
  /** Returns the actor of a key as it is now; undefined when it was deleted or has expired. */
  actorOf(apiKeyId: string): Promise<KeyActor | undefined>
  /** Writes the times of last use that are still in memory. A crash loses only these times. */
  flushUses(): Promise<void>
}

export interface PasswordActor {
  readonly actor: KeyActor
  /** It is an app password, whose actor has one inbox. */
  readonly isAppPassword: boolean
}

interface CredentialsNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly requestRates: RequestRates
}

const PASSWORD_KINDS: readonly ApiKeyRow['kind'][] = ['bearer', 'app_password']

export function createCredentials({ store, clock, requestRates }: CredentialsNeeds): Credentials {
  const uses = new Map<string, number>()

  return {
    async authenticate(key) {
      const row = await apiKeys.getByHash(store.db, hashKey(key))
      const now = clock()
      if (row?.kind !== 'bearer' || isExpired(row, now)) {
        throw new MailError('unknown_api_key', row?.kind === 'app_password' ? { isAppPassword: true } : {})
      }
      uses.set(row.id, now)
      const requestRate = await requestRates.count(row)
      return readActor(row, requestRate)
    },

    async authenticatePassword(password) {
      const row = await apiKeys.getByHash(store.db, hashKey(password))
      const now = clock()
      if (!row || !PASSWORD_KINDS.includes(row.kind) || isExpired(row, now)) return undefined
      uses.set(row.id, now)
      // Unlike a request, a session lasts: a rotated app password must end it.
      return { actor: { ...(await readActor(row)), keyHash: row.key_hash }, isAppPassword: row.kind === 'app_password' }
    },

    async actorOf(apiKeyId) {
      const row = await apiKeys.getById(store.db, apiKeyId)
      if (row?.kind !== 'bearer' || isExpired(row, clock())) return undefined
      return readActor(row)
    },

    async flushUses() {
      if (uses.size === 0) return
      const flushed = [...uses].sort(([a], [b]) => (a < b ? -1 : 1)) // the same order on every node
      await store.transaction(async (tx) => {
        for (const [id, usedAt] of flushed) await apiKeys.recordUse(tx, id, usedAt)
      })
      for (const [id, usedAt] of flushed) if (uses.get(id) === usedAt) uses.delete(id)
    },
  }

  async function readActor(row: ApiKeyRow, requestRate?: RequestRate): Promise<KeyActor> {
    const inbox = row.inbox_id === null ? undefined : await inboxes.getById(store.db, row.inbox_id)
    return toActor(row, inbox?.address, requestRate)
  }
}

/** SHA-256 (hex), the form in which a key is stored and looked up. */
export function hashKey(key: string): string {
  return hash('sha256', key)
}

function toActor(row: ApiKeyRow, inboxAddress: string | undefined, requestRate: RequestRate | undefined): KeyActor {
  const actor: { -readonly [Name in keyof KeyActor]: KeyActor[Name] } = {
    kind: 'key',
    apiKeyId: row.id,
    organizationId: row.organization_id,
  }
  // Not as conditional spreads, which take longer, in every request.
  if (row.pod_id !== null) actor.podId = row.pod_id
  if (row.inbox_id !== null) actor.inboxId = row.inbox_id
  if (inboxAddress !== undefined) actor.inboxAddress = inboxAddress
  if (row.permissions !== null) actor.permissions = new Set(parsePermissions(row.permissions))
  if (requestRate !== undefined) actor.requestRate = requestRate
  return actor
}
