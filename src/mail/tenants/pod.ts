/** Organizations and pods as the API shows them, and the interfaces of their modules. */
import type { Actor } from '../access/actor.ts'
import type { Page, PageRequest } from '../access/paging/page-tokens.ts'

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
  /** Returns the actor's own organization. Needs an organization-wide key. @throws forbidden */
  get(actor: Actor): Promise<Organization>
}

export interface Pods {
  /**
   * Creates a pod; returns the existing one if the clientId was used before.
   *
   * @throws missing_permission, validation_error
   */
  create(actor: Actor, request: { name?: string | undefined; clientId?: string | undefined }): Promise<Pod>
  list(actor: Actor, page: PageRequest): Promise<Page<Pod>>
  /** @param ref id or client_id @throws not_found */
  get(actor: Actor, ref: string): Promise<Pod>
  /** @throws not_found; cannot_delete while it has inboxes or domains, or is the default pod */
  delete(actor: Actor, ref: string): Promise<void>
}
