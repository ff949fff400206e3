/** An API key as callers see it, and the request that creates one. */
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

export interface KeyForm {
  /** How it begins. */
  readonly prefix: string
  /** A short id and "_" follow, which are shown as a part of the prefix; otherwise the first random characters are. */
  readonly hasId?: boolean
}

export interface NewApiKey {
  readonly name?: string | undefined
  /** Form of its text, which tools of the service recognise. Default: as AgentMail's. */
  readonly form?: KeyForm | undefined
  /** Granted flags; undefined: everything in scope (needs an unrestricted creator). */
  readonly permissions?: readonly Permission[] | undefined
  /** Epoch ms in the future. */
  readonly expiresAt?: number | undefined
}
