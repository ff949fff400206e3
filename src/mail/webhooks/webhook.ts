/** A webhook: a URL that is told of events by HTTP POST; what callers see of it, and its calls. */
import type { Actor, Within } from '../access/actor.ts'
import type { Page, PageRequest } from '../access/paging.ts'

export interface Webhook {
  readonly id: string
  readonly url: string
  /** Absent: the standard types. */
  readonly eventTypes?: readonly string[]
  /** Ids. Absent together with inboxAddresses: everything in its scope. A pod or inbox that is gone is not shown. */
  readonly podIds?: readonly string[]
  readonly inboxAddresses?: readonly string[]
  /** What it belongs to: it ends with it. */
  readonly podId?: string
  readonly inboxAddress?: string
  readonly secret: string
  readonly isEnabled: boolean
  /** Events of one inbox one after the other. */
  readonly isOrdered: boolean
  /** Why the server switched it off. */
  readonly disabledReason?: string
  readonly clientId?: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** Names and values of custom header fields of its requests. */
export type CustomHeaders = Readonly<Record<string, string>>

export interface NewWebhook {
  readonly url: string
  /** Empty or undefined: the standard types that the key may see. */
  readonly eventTypes?: readonly string[] | undefined
  /** Together a union; empty or undefined: everything in the scope of the call. */
  readonly podIds?: readonly string[] | undefined
  /** Addresses or ids. */
  readonly inboxIds?: readonly string[] | undefined
  readonly headers?: CustomHeaders | undefined
  readonly clientId?: string | undefined
  readonly isEnabled?: boolean | undefined
  readonly isOrdered?: boolean | undefined
}

/** What is undefined stays as it is. */
export interface WebhookChange {
  readonly url?: string | undefined
  /** Replaces them; an empty list changes nothing. */
  readonly eventTypes?: readonly string[] | undefined
  /** To a webhook of everything in its scope nothing can be added. */
  readonly addPodIds?: readonly string[] | undefined
  readonly removePodIds?: readonly string[] | undefined
  readonly addInboxIds?: readonly string[] | undefined
  readonly removeInboxIds?: readonly string[] | undefined
  /** Replaces all inboxes; an empty list: everything in its scope, where it names no pod. */
  readonly inboxIds?: readonly string[] | undefined
  readonly isEnabled?: boolean | undefined
  readonly isOrdered?: boolean | undefined
}

export interface HeadersChange {
  readonly set?: CustomHeaders | undefined
  readonly remove?: readonly string[] | undefined
}

/** Every call throws not_found, missing_permission, forbidden, unknown_api_key; those with data validation_error. */
export interface Webhooks {
  /**
   * Told of events that are committed from now on. The same client_id again, in the same scope, gives the webhook that is there.
   *
   * @throws limit_exceeded
   */
  create(actor: Actor, within: Within, request: NewWebhook): Promise<Webhook>
  /** Everything in the scope of the call, newest first. @throws invalid_page_token */
  list(actor: Actor, within: Within, page: PageRequest): Promise<Page<Webhook>>
  /** @param ref id, or client_id of exactly the scope of the call, here and below */
  get(actor: Actor, within: Within, ref: string): Promise<Webhook>
  /** From then on it sees what this actor may see. Enabled again, it is told of events from now on. */
  update(actor: Actor, within: Within, ref: string, change: WebhookChange): Promise<Webhook>
  /** No request begins after this; what waited is not sent. */
  delete(actor: Actor, within: Within, ref: string): Promise<void>
  /**
   * The one before goes on signing for limits.webhookOldSecretMs.
   *
   * @param secret made when left out
   * @throws limit_exceeded when too many old ones still sign
   */
  rotateSecret(actor: Actor, within: Within, ref: string, secret: string | undefined): Promise<Webhook>
  headerNames(actor: Actor, within: Within, ref: string): Promise<readonly string[]>
  /** All of it or nothing. */
  changeHeaders(actor: Actor, within: Within, ref: string, change: HeadersChange): Promise<void>
}
