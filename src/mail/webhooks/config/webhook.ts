/** A webhook: a URL that receives events by HTTP POST. Defines its view for callers, and the operations on it. */
import type { Actor, Within } from '../../access/actor.ts'
import type { Page, PageRequest } from '../../access/paging/page-tokens.ts'

export interface Webhook {
  readonly id: string
  readonly url: string
  /** Absent: the standard types. */
  readonly eventTypes?: readonly string[]
  /** Ids. Absent together with inboxAddresses: everything in its scope. Deleted pods and inboxes are not shown. */
  readonly podIds?: readonly string[]
  readonly inboxAddresses?: readonly string[]
  /** The pod or inbox that the webhook belongs to: it is deleted with it. */
  readonly podId?: string
  readonly inboxAddress?: string
  readonly secret: string
  readonly isEnabled: boolean
  /** Sends events of one inbox one after the other. */
  readonly isOrdered: boolean
  /** Why the server disabled it. */
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
  /** A union of pods and inboxes; empty or undefined: everything in the scope of the call. */
  readonly podIds?: readonly string[] | undefined
  /** Addresses or ids. */
  readonly inboxIds?: readonly string[] | undefined
  readonly headers?: CustomHeaders | undefined
  readonly clientId?: string | undefined
  readonly isEnabled?: boolean | undefined
  readonly isOrdered?: boolean | undefined
}

/** Undefined fields are not changed. */
export interface WebhookChange {
  readonly url?: string | undefined
  /** Replaces the types; an empty list changes nothing. */
  readonly eventTypes?: readonly string[] | undefined
  /** A webhook that covers its whole scope accepts no additions. */
  readonly addPodIds?: readonly string[] | undefined
  readonly removePodIds?: readonly string[] | undefined
  readonly addInboxIds?: readonly string[] | undefined
  readonly removeInboxIds?: readonly string[] | undefined
  /** Replaces all inboxes. An empty list, if the webhook has no pods either, means everything in its scope. */
  readonly inboxIds?: readonly string[] | undefined
  readonly isEnabled?: boolean | undefined
  readonly isOrdered?: boolean | undefined
}

export interface HeadersChange {
  readonly set?: CustomHeaders | undefined
  readonly remove?: readonly string[] | undefined
}

/**
 * Every call throws not_found, missing_permission, forbidden, unknown_api_key; those with data also validation_error.
 */
export interface Webhooks {
  /**
   * The webhook gets events that are committed from now on. A repeated client_id in its scope returns the existing one.
   *
   * @throws limit_exceeded
   */
  create(actor: Actor, within: Within, request: NewWebhook): Promise<Webhook>
  /** Everything in the scope of the call, newest first. @throws invalid_page_token */
  list(actor: Actor, within: Within, page: PageRequest): Promise<Page<Webhook>>
  /** @param ref id, or client_id of exactly the scope of the call, here and below */
  get(actor: Actor, within: Within, ref: string): Promise<Webhook>
  /** From then on, the webhook receives what this actor may see. When it is enabled again, it gets only new events. */
  update(actor: Actor, within: Within, ref: string, change: WebhookChange): Promise<Webhook>
  /** No request begins after this; pending deliveries are not sent. */
  delete(actor: Actor, within: Within, ref: string): Promise<void>
  /**
   * The previous secret continues to sign for limits.webhooks.oldSecretMs.
   *
   * @param secret default: generated
   * @throws limit_exceeded when too many old ones still sign
   */
  rotateSecret(actor: Actor, within: Within, ref: string, secret: string | undefined): Promise<Webhook>
  headerNames(actor: Actor, within: Within, ref: string): Promise<readonly string[]>
  /** Applies the whole change or nothing. */
  changeHeaders(actor: Actor, within: Within, ref: string, change: HeadersChange): Promise<void>
}
