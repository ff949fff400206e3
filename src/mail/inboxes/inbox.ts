/** An inbox as the API shows it, and the interface of its module. */
import type { Actor, Within } from '../access/actor.ts'
import type { Page, PageRequest } from '../access/paging/page-tokens.ts'

export type Metadata = Readonly<Record<string, string | number | boolean>>

export interface Inbox {
  readonly id: string
  readonly organizationId: string
  readonly podId: string
  /** local@domain, lower case. */
  readonly address: string
  readonly displayName?: string
  readonly clientId?: string
  readonly metadata?: Metadata
  readonly createdAt: number
  readonly updatedAt: number
}

export interface NewInbox {
  /** Local part; defaults to a random one. */
  readonly username?: string | undefined
  /** Defaults to the shared domain. */
  readonly domain?: string | undefined
  readonly displayName?: string | undefined
  readonly clientId?: string | undefined
  readonly metadata?: Metadata | undefined
}

export interface InboxChange {
  readonly displayName?: string | null | undefined
  /** Keys are merged; a null value removes its key; null for all removes everything. */
  readonly metadata?: Readonly<Record<string, string | number | boolean | null>> | null | undefined
}

export interface Inboxes {
  /**
   * @param within the pod of the new inbox; defaults to the default pod, or the key's own pod
   * @returns the new inbox, or the existing one if the clientId was used before in this pod
   * @throws validation_error, resource_taken, domain_not_available, missing_permission, not_found
   */
  create(actor: Actor, within: Within, request: NewInbox): Promise<Inbox>
  /** Lists inboxes, newest first. */
  list(actor: Actor, within: Within, page: PageRequest): Promise<Page<Inbox>>
  /** @param ref address or id @throws not_found */
  get(actor: Actor, within: Within, ref: string): Promise<Inbox>
  /** @throws validation_error when it changes nothing, not_found, missing_permission */
  update(actor: Actor, within: Within, ref: string, change: InboxChange): Promise<Inbox>
  /**
   * Hides the inbox at once; a job deletes its mail (mail/accounts/remove-inbox.ts).
   *
   * @throws not_found, missing_permission
   */
  delete(actor: Actor, within: Within, ref: string): Promise<void>
}
