/** A webhook as callers see it: a URL that receives events by HTTP POST; and the requests that create and change one. */
import type { SenderFilter } from '../dispatch/sender-filter.ts'

export interface Webhook {
  readonly id: string
  readonly url: string
  /** Absent: the standard types. */
  readonly eventTypes?: readonly string[]
  /** Ids. Absent together with inboxAddresses: everything in its scope. Deleted pods and inboxes are not shown. */
  readonly podIds?: readonly string[]
  readonly inboxAddresses?: readonly string[]
  /** The ids of the same inboxes, in the same order. */
  readonly inboxIds?: readonly string[]
  /** The pod or inbox that the webhook belongs to: it is deleted with it. */
  readonly podId?: string
  readonly inboxAddress?: string
  readonly inboxId?: string
  readonly secret: string
  readonly isEnabled: boolean
  /** Sends events of one inbox one after the other. */
  readonly isOrdered: boolean
  /** Its retries continue for days after the usual schedule of its profile. */
  readonly hasLongRetries: boolean
  /** Failed attempts since the last success; 0 if its profile does not count them. */
  readonly failures: number
  /** Why the server disabled it. */
  readonly disabledReason?: string
  readonly clientId?: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** A webhook as a call that changes it returns it. */
export interface ChangedWebhook extends Omit<Webhook, 'secret'> {
  /** Absent for a key that has not created the webhook and may not read webhooks: it signs in the name of this server. */
  readonly secret?: string
}

/** Names and values of custom header fields of its requests. */
export type CustomHeaders = Readonly<Record<string, string>>

export interface NewWebhook {
  readonly url: string
  /** Empty or undefined: the standard types that the key may see. */
  readonly eventTypes?: readonly string[] | undefined
  /** Added to these types, for a key that may receive them. With it, the types are fixed when the webhook is created. */
  readonly extraEventTypes?: readonly string[] | undefined
  /** A union of pods and inboxes; empty or undefined: everything in the scope of the call. */
  readonly podIds?: readonly string[] | undefined
  /** Addresses or ids. */
  readonly inboxIds?: readonly string[] | undefined
  readonly headers?: CustomHeaders | undefined
  readonly clientId?: string | undefined
  readonly isEnabled?: boolean | undefined
  readonly isOrdered?: boolean | undefined
  readonly hasLongRetries?: boolean | undefined
  /** Only messages of these senders; its types must be those of received messages. */
  readonly senders?: SenderFilter | undefined
}

/** Undefined fields are not changed. */
export interface WebhookChange {
  readonly url?: string | undefined
  /** Replaces the types; an empty list changes nothing. */
  readonly eventTypes?: readonly string[] | undefined
  /** Added to eventTypes, for a key that may receive them. */
  readonly extraEventTypes?: readonly string[] | undefined
  /** A webhook that covers its whole scope accepts no additions. */
  readonly addPodIds?: readonly string[] | undefined
  readonly removePodIds?: readonly string[] | undefined
  readonly addInboxIds?: readonly string[] | undefined
  readonly removeInboxIds?: readonly string[] | undefined
  /** Replaces all inboxes. An empty list, if the webhook has no pods either, means everything in its scope. */
  readonly inboxIds?: readonly string[] | undefined
  readonly isEnabled?: boolean | undefined
  readonly isOrdered?: boolean | undefined
  readonly hasLongRetries?: boolean | undefined
  /** Replaces the filter. */
  readonly senders?: SenderFilter | undefined
}

export interface HeadersChange {
  readonly set?: CustomHeaders | undefined
  readonly remove?: readonly string[] | undefined
}
