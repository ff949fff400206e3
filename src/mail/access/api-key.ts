/** An API key as it may be shown, and what making one takes. */

import type { Actor, Within } from './actor.ts'
import type { Page, PageRequest } from './paging.ts'
import type { Permission } from './permissions.ts'

export interface ApiKey {
  readonly id: string
  /** Visible first characters. */
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
   * Makes a key for the organization, a pod or an inbox. Its text is in the answer and nowhere else.
   *
   * @throws missing_permission, permission_escalation, unrestricted_key_required, not_found, validation_error
   */
  create(actor: Actor, within: Within, request: NewApiKey): Promise<ApiKey & { readonly key: string }>
  /** Keys made at exactly this level, newest first. */
  list(actor: Actor, within: Within, page: PageRequest): Promise<Page<ApiKey>>
  /** @throws not_found */
  get(actor: Actor, within: Within, id: string): Promise<ApiKey>
  /**
   * Changes its name or narrows or widens its permissions, under the rules of create. `permissions: null` lifts them.
   *
   * @throws not_found; forbidden for a key that may do more than the actor's
   */
  update(
    actor: Actor,
    within: Within,
    id: string,
    change: { name?: string | undefined; permissions?: readonly Permission[] | null | undefined },
  ): Promise<ApiKey>
  /**
   * The key stops working at once and its sockets are closed.
   *
   * @throws not_found; forbidden for a key that may do more than the actor's; cannot_delete for the root key
   */
  delete(actor: Actor, within: Within, id: string): Promise<void>
}
