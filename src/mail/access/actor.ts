/**
 * The actor of a call. Every function that an edge calls for a client has an Actor as its first parameter, except the
 * download of a link, whose token is its credential. The edge makes an Actor from a credential (credentials.ts); the
 * program itself acts as a named system actor.
 */
import type { RequestRate } from '../../errors/resource-errors.ts'
import type { OperationAccess } from './operation-access.ts'
import type { Permission } from './permissions.ts'

/** A credential with its scope: the organization, one pod of it, or one inbox. */
export interface KeyActor {
  readonly kind: 'key'
  readonly apiKeyId: string
  readonly organizationId: string
  /** Present when the scope is a pod or an inbox. */
  readonly podId?: string
  /** Present when the scope is one inbox. */
  readonly inboxId?: string
  /** Address of that inbox: a key may know its own scope whatever its flags are. */
  readonly inboxAddress?: string
  /** undefined: everything in scope. */
  readonly permissions?: ReadonlySet<Permission>
  /** SHA-256 of the key with which a session was opened: it ends when the key is replaced. */
  readonly keyHash?: string
  /** What is left to the key after this request. Absent: it has no limit. */
  readonly requestRate?: RequestRate
  /** What the operation of this request declares; the core may demand no other permission. */
  readonly operation?: OperationAccess
}

/** A part of the program that acts on its own behalf, for example "queue". It may do everything. */
export interface SystemActor {
  readonly kind: 'system'
  readonly name: string
}

export type Actor = KeyActor | SystemActor

/** Returns the actor's name for events and rows. */
export function actorName(actor: Actor): string {
  return actor.kind === 'key' ? `key:${actor.apiKeyId}` : `system:${actor.name}`
}

/**
 * The object that the route of a call names: an inbox (by address or id), a pod (by id or client_id), or neither, for
 * everything in the actor's scope.
 */
export type Within =
  | { readonly inbox: string; readonly pod?: undefined }
  | { readonly pod: string; readonly inbox?: undefined }
  | { readonly inbox?: undefined; readonly pod?: undefined }
