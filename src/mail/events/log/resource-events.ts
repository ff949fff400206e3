/** Events of inboxes, pods, keys and webhooks. Their modules append them; edges render them, or nodes react to them. */
import type { NewEvent } from '../../../store/handles.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Event } from './event.ts'
import { type EventTypeName, getEventType } from './event-types.ts'

/** The inbox of an event. An inbox, as `inboxes` returns it, has this shape. */
export interface EventInbox {
  readonly id: string
  readonly organizationId: string
  readonly podId: string
  readonly address: string
  readonly displayName?: string
  readonly clientId?: string
}

export interface InboxPayload {
  readonly inboxAddress: string
  readonly displayName?: string
  readonly clientId?: string
  /** In inbox.updated: the earlier address of the inbox, if another tenant uses it now (docs/adr/0061). */
  readonly previousAddress?: string
}

/** The domain of an event, and of `domains`. */
export interface EventDomain {
  readonly id: string
  readonly organizationId: string
  /** Absent: open to all pods of the organization. */
  readonly podId?: string
  /** A-labels, lower case. */
  readonly domain: string
  readonly clientId?: string
  /**
   * - NOT_STARTED: never checked
   * - PENDING: records are missing
   * - INVALID: records have wrong values
   * - FAILED: the records are right, but another tenant has verified the domain before
   * - VERIFIED: mail is sent and received
   */
  readonly status: 'NOT_STARTED' | 'PENDING' | 'INVALID' | 'VERIFIED' | 'FAILED'
  /** Why it is not verified. */
  readonly reason?: string
  readonly isInbound: boolean
  /** Notices about failed deliveries arrive in the sending inbox. */
  readonly hasFeedback: boolean
  readonly hasSubdomains: boolean
  /** The address of the inbox that gets mail for addresses that do not exist. */
  readonly catchAllAddress?: string
  readonly records: readonly {
    readonly purpose: 'inbound' | 'subdomain_inbound' | 'spf' | 'dkim' | 'dmarc'
    readonly type: 'MX' | 'TXT'
    readonly name: string
    readonly value: string
    readonly priority?: number
    readonly status: 'MISSING' | 'INVALID' | 'VALID'
    readonly reason?: 'duplicate_records' | 'value_mismatch'
    readonly seen: readonly { readonly value: string; readonly priority?: number }[]
  }[]
  /** Epoch ms, as all times here. */
  readonly checkedAt?: number
  readonly createdAt: number
  readonly updatedAt: number
}

export interface DomainVerifiedPayload {
  readonly domain: EventDomain
}

export interface WebhookDisabledPayload {
  readonly webhookId: string
  /** gone: its server responded with 410; failing: no request to it has succeeded for days. */
  readonly reason: 'gone' | 'failing'
  /** Epoch ms. */
  readonly failingSince?: number
}

export interface KeyRevokedPayload {
  readonly apiKeyId: string
}

/** Whether the event reports the creation, a change or the deletion of an inbox. */
export function isInboxEvent(event: Event): event is Event & { readonly payload: InboxPayload } {
  return ['inbox.created', 'inbox.deleted', 'inbox.updated'].includes(event.type)
}

export function isWebhookDisabled(event: Event): event is Event & { readonly payload: WebhookDisabledPayload } {
  return event.type === 'webhook.disabled'
}

export function isDomainVerified(event: Event): event is Event & { readonly payload: DomainVerifiedPayload } {
  return event.type === 'domain.verified'
}

/** @param about `actor` is the name that `actorName` returns */
export function inboxCreated(about: { readonly actor: string; readonly inbox: EventInbox }): NewEvent {
  return inboxEvent('inbox.created', about)
}

/** Deletion was requested: the inbox is hidden from now on, its mail is removed later. */
export function inboxDeleted(about: { readonly actor: string; readonly inbox: EventInbox }): NewEvent {
  return inboxEvent('inbox.deleted', about)
}

/** Its members were changed, or its address: clients that use the address as an id need the new one. */
export function inboxUpdated(about: {
  readonly actor: string
  /** After the change. */
  readonly inbox: EventInbox
  readonly previousAddress?: string
}): NewEvent {
  return inboxEvent('inbox.updated', about)
}

/** The DNS records of a domain are right, and its tenant holds the name from now on. */
export function domainVerified(about: { readonly actor: string; readonly domain: EventDomain }): NewEvent {
  const { actor, domain } = about
  const { organizationId, podId } = domain
  const payload = { domain } satisfies DomainVerifiedPayload
  return {
    ...header('domain.verified', actor),
    organizationId,
    ...(podId !== undefined && { podId }),
    payload,
  }
}

/** The server has disabled the webhook. The event belongs to the webhook's pod and inbox. */
export function webhookDisabled(about: {
  readonly actor: string
  readonly webhook: Pick<WebhookRow, 'id' | 'organization_id' | 'pod_id' | 'inbox_id' | 'failing_since'>
  readonly reason: WebhookDisabledPayload['reason']
}): NewEvent {
  const { id, organization_id, pod_id, inbox_id, failing_since } = about.webhook
  const payload = {
    webhookId: id,
    reason: about.reason,
    ...(failing_since !== null && { failingSince: failing_since }),
  } satisfies WebhookDisabledPayload
  return {
    ...header('webhook.disabled', about.actor),
    organizationId: organization_id,
    ...(pod_id !== null && { podId: pod_id }),
    ...(inbox_id !== null && { inboxId: inbox_id }),
    payload,
  }
}

/** For nodes: closes all connections opened with a key of this inbox. Append it together with inboxDeleted. */
export function inboxGone(about: { readonly actor: string; readonly inbox: EventInbox }): NewEvent {
  return inboxEvent('inbox.gone', about)
}

/** For nodes: closes all connections opened with a key of this pod. */
export function podGone(about: {
  readonly actor: string
  readonly pod: { readonly id: string; readonly organizationId: string }
}): NewEvent {
  const { id, organizationId } = about.pod
  return { ...header('pod.gone', about.actor), organizationId, podId: id, payload: {} }
}

/** For nodes: the key was deleted or its permissions changed; closes all connections opened with it before. */
export function keyRevoked(about: {
  readonly actor: string
  readonly key: { readonly id: string; readonly organizationId: string }
}): NewEvent {
  const payload = { apiKeyId: about.key.id } satisfies KeyRevokedPayload
  return { ...header('key.revoked', about.actor), organizationId: about.key.organizationId, payload }
}

function inboxEvent(
  type: EventTypeName,
  { actor, inbox, previousAddress }: { actor: string; inbox: EventInbox; previousAddress?: string },
): NewEvent {
  const payload = {
    inboxAddress: inbox.address,
    ...(inbox.displayName !== undefined && { displayName: inbox.displayName }),
    ...(inbox.clientId !== undefined && { clientId: inbox.clientId }),
    ...(previousAddress !== undefined && { previousAddress }),
  } satisfies InboxPayload
  const { organizationId, podId, id: inboxId } = inbox
  return { ...header(type, actor), organizationId, podId, inboxId, payload }
}

function header(type: EventTypeName, actor: string): Pick<NewEvent, 'type' | 'visibility' | 'actor'> {
  return { type, visibility: getEventType(type)!.visibility, actor }
}
