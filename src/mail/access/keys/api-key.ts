/** An API key as callers see it, and the request that creates one. */

import type { Actor, Within } from '../actor.ts'
import type { Page, PageRequest } from '../paging/page-tokens.ts'
import type { Permission } from '../permissions.ts'

export interface ApiKey {
  readonly id: string
  /** The first characters, which may be shown. */
  readonly prefix: string
  readonly name: string
  readonly podId?: string
  readonly inboxId?: string
  /** Address of the inbox it is scoped to. */
  readonly inboxAddress?: string
  /** undefined: everything in scope. */
  readonly permissions?: readonly Permission[]
  /** Epoch ms. */
  readonly usedAt?: number
  readonly expiresAt?: number
  readonly createdAt: number
  readonly updatedAt: number
}

export interface NewApiKey {
  readonly name?: string | undefined
  /** Granted flags; undefined: everything in scope (needs an unrestricted creator). */
  readonly permissions?: readonly Permission[] | undefined
  /** Epoch ms in the future. */
  readonly expiresAt?: number | undefined
}

export interface ApiKeys {
  /**
   * Creates a key for the organization, a pod or an inbox. Only this response contains its text.
   *
   * @throws missing_permission, permission_escalation, unrestricted_key_required, not_found, validation_error
   */
  create(actor: Actor, within: Within, request: NewApiKey): Promise<ApiKey & { readonly key: string }>
  /** Lists the keys of exactly this level, newest first. */
  list(actor: Actor, within: Within, page: PageRequest): Promise<Page<ApiKey>>
  /** @throws not_found */
  get(actor: Actor, within: Within, id: string): Promise<ApiKey>
  /**
   * Changes the name, or narrows or widens the permissions, under the rules of create. `permissions: null` grants all.
   *
   * @throws not_found; forbidden for a key with more permissions than the actor's
   */
  update(
    actor: Actor,
    within: Within,
    id: string,
    change: { name?: string | undefined; permissions?: readonly Permission[] | null | undefined },
  ): Promise<ApiKey>
  /**
   * The key stops working at once and its WebSockets are closed.
   *
   * @throws not_found; forbidden for a key with more permissions than the actor's; cannot_delete for the root key
   */
  delete(actor: Actor, within: Within, id: string): Promise<void>
}
