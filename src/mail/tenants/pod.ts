/** Organizations and pods as they may be shown, and the calls on them. */
import type { Actor } from '../access/actor.ts'
import type { Page, PageRequest } from '../access/paging.ts'

export interface Organization {
  readonly id: string
  readonly inboxCount: number
  readonly domainCount: number
  readonly createdAt: number
  readonly updatedAt: number
}

export interface Pod {
  readonly id: string
  readonly name: string
  readonly clientId?: string
  readonly isDefault: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

export interface Organizations {
  /** The actor's own. Needs an organization-wide key. @throws forbidden */
  get(actor: Actor): Promise<Organization>
}

export interface Pods {
  /** The same clientId again gives the pod that is there. @throws missing_permission, validation_error */
  create(actor: Actor, request: { name?: string | undefined; clientId?: string | undefined }): Promise<Pod>
  list(actor: Actor, page: PageRequest): Promise<Page<Pod>>
  /** @param ref id or client_id @throws not_found */
  get(actor: Actor, ref: string): Promise<Pod>
  /** @throws not_found; cannot_delete while it has inboxes or domains, or is the default pod */
  delete(actor: Actor, ref: string): Promise<void>
}
