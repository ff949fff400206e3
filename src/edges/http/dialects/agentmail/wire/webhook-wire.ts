/** Webhooks (docs/compatibility/agentmail.md). */
import { type Static, Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type {
  ChangedWebhook,
  NewWebhook,
  WebhookChange,
  Webhook as WebhookView,
} from '../../../../../mail/webhooks/config/webhook.ts'
import { clientId, EventType, headerName, headerValue } from './request-texts.ts'
import { mapOf, named, namedPage, pageHead, Time, time, type Wire } from './shape-wire.ts'

const PREFIX = 'ep_'

/** Removes the prefix of our ids. Clients may also send a client_id, which may begin with the same prefix. */
export function readWebhookId(ref: string): string {
  return /^ep_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(ref) ? ref.slice(PREFIX.length) : ref
}

/** @param id the id in the core */
export function shownWebhookId(id: string): string {
  return PREFIX + id
}

const Texts = Type.Array(Type.String())
const OptionalTexts = Type.Optional(Texts)
const Ordered = Type.Optional(
  Type.Boolean({
    description: 'Send the events of one inbox one after the other, in the order in which they happened.',
  }),
)
const Headers = mapOf(Type.String({ rule: headerValue }), {
  rule: ({ webhooks }: Limits) => ({ maxProperties: webhooks.headersMax, propertyNames: headerName }),
})
const Url = Type.String({
  description: 'http or https; receives events by POST.',
  rule: ({ webhooks }: Limits) => ({ format: 'uri', pattern: '^https?://[^\\s@]+$', maxLength: webhooks.urlCharsMax }),
})
const EventTypes = Type.Unsafe<string[]>(
  Type.Array(EventType, {
    description: 'GET `/v0/capabilities` says which types nothing creates yet, such as `message.opened`.',
  }),
)

export const Webhook = named('Webhook', {
  webhook_id: Type.String(),
  url: Type.String(),
  event_types: OptionalTexts,
  pod_ids: OptionalTexts,
  inbox_ids: OptionalTexts,
  pod_id: Type.Optional(Type.String({ description: 'The pod to which the webhook belongs.' })),
  inbox_id: Type.Optional(Type.String({ description: 'The inbox to which the webhook belongs.' })),
  secret: Type.Optional(
    Type.String({
      description:
        'Signs its requests: `whsec_` and base64. Absent after a change by a key without webhook_read, unless it made the webhook.',
    }),
  ),
  enabled: Type.Boolean(),
  ordered: Type.Boolean({ description: 'Events of one inbox are sent one after the other.' }),
  disabled_reason: Type.Optional(
    Type.String({ description: 'Why the server disabled the webhook: `gone` or `failing`.' }),
  ),
  client_id: Type.Optional(Type.String()),
  updated_at: Time,
  created_at: Time,
})

export function webhook(view: ChangedWebhook): Wire<typeof Webhook> {
  return {
    webhook_id: shownWebhookId(view.id),
    url: view.url,
    event_types: view.eventTypes,
    pod_ids: view.podIds,
    inbox_ids: view.inboxAddresses,
    pod_id: view.podId,
    inbox_id: view.inboxAddress,
    secret: view.secret,
    enabled: view.isEnabled,
    ordered: view.isOrdered,
    disabled_reason: view.disabledReason,
    client_id: view.clientId,
    updated_at: time(view.updatedAt),
    created_at: time(view.createdAt),
  }
}

export const WebhookList = namedPage('ListWebhooksResponse', { webhooks: Type.Array(Webhook) })

export function webhookList(page: Page<WebhookView>): Wire<typeof WebhookList> {
  return { ...pageHead(page), webhooks: page.items.map(webhook) }
}

export const misnamed = { events: 'write event_types' }

export const CreateWebhook = named(
  'CreateWebhookRequest',
  {
    url: Url,
    event_types: Type.Optional(EventTypes),
    pod_ids: OptionalTexts,
    inbox_ids: OptionalTexts,
    client_id: Type.Optional(
      Type.String({
        description: 'Another request with the same client_id returns the existing webhook.',
        rule: clientId,
      }),
    ),
    headers: Type.Optional(Headers),
    enabled: Type.Optional(Type.Boolean()),
    ordered: Ordered,
  },
  { misnamed },
)

export function readNewWebhook(body: Static<typeof CreateWebhook>): NewWebhook {
  return {
    url: body.url,
    eventTypes: body.event_types,
    podIds: body.pod_ids,
    inboxIds: body.inbox_ids,
    clientId: body.client_id,
    headers: body.headers,
    isEnabled: body.enabled,
    isOrdered: body.ordered,
  }
}

export const UpdateWebhook = named(
  'UpdateWebhookRequest',
  {
    url: Type.Optional(Url),
    event_types: Type.Optional({
      ...EventTypes,
      description: 'Replaces the event types. An empty array changes nothing.',
    }),
    add_pod_ids: OptionalTexts,
    remove_pod_ids: OptionalTexts,
    add_inbox_ids: OptionalTexts,
    remove_inbox_ids: OptionalTexts,
    enabled: Type.Optional(Type.Boolean()),
    ordered: Ordered,
  },
  { misnamed },
)

export function readWebhookChange(body: Static<typeof UpdateWebhook>): WebhookChange {
  return {
    url: body.url,
    eventTypes: body.event_types,
    addPodIds: body.add_pod_ids,
    removePodIds: body.remove_pod_ids,
    addInboxIds: body.add_inbox_ids,
    removeInboxIds: body.remove_inbox_ids,
    isEnabled: body.enabled,
    isOrdered: body.ordered,
  }
}

/** Clients of 2024 send the whole webhook with PUT. */
export const ReplaceWebhook = named('ReplaceWebhookRequest', {
  url: Type.Optional(Url),
  event_types: Type.Optional(EventTypes),
  inbox_ids: OptionalTexts,
  enabled: Type.Optional(Type.Boolean()),
})

export function readReplacement(body: Static<typeof ReplaceWebhook>): WebhookChange {
  return { url: body.url, eventTypes: body.event_types, inboxIds: body.inbox_ids, isEnabled: body.enabled }
}

export const RotateSecret = named('RotateWebhookSecretRequest', {
  secret: Type.Optional(
    Type.String({
      description: '`whsec_` and the base64 of 24 to 64 bytes. Default: a generated secret.',
      rule: { pattern: '^whsec_(?:[A-Za-z0-9+/]{4}){8,21}$' },
    }),
  ),
})

export const HeaderNames = named('WebhookHeaderNamesResponse', { header_names: Texts })

export const UpdateHeaders = named('UpdateWebhookHeadersRequest', {
  headers: Type.Optional(Headers),
  remove_headers: OptionalTexts,
})
