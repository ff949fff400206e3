/** Webhooks (docs/compatibility/agentpost.md). */
import { type Static, Type } from 'typebox'
import { readEventTypes, shownEventTypes } from '../../../../../mail/events/log/seven-types.ts'
import type { ChangedWebhook, NewWebhook, Webhook, WebhookChange } from '../../../../../mail/webhooks/config/webhook.ts'
import { readInboxId, shownId } from '../prefixed-ids.ts'
import { readTexts, TextOrList, time } from './agentpost-shape-wire.ts'

/** Only the response that made the secret contains it. */
export function webhook(view: ChangedWebhook) {
  return {
    id: shownId('whk', view.id),
    url: view.url,
    event_types: shownEventTypes(view.eventTypes),
    environment_id: view.podId === undefined ? null : shownId('env', view.podId),
    inbox_emails: view.inboxAddresses ?? [],
    enabled: view.isEnabled,
    disabled_reason: view.disabledReason ?? null,
    consecutive_failures: view.failures,
    long_retries: view.hasLongRetries,
    created_at: time(view.createdAt),
    updated_at: time(view.updatedAt),
  }
}

export function webhookWithSecret(view: Webhook) {
  return { ...webhook(view), secret: view.secret }
}

const settings = {
  event_types: Type.Optional(TextOrList),
  events: Type.Optional(TextOrList),
  inbox_id: Type.Optional(Type.String()),
  inbox_ids: Type.Optional(Type.Array(Type.String())),
  enabled: Type.Optional(Type.Boolean()),
  long_retries: Type.Optional(Type.Boolean()),
}

export const CreateWebhook = Type.Object(
  { url: Type.String(), ...settings, environment_id: Type.Optional(Type.String()) },
  // As in a subscribe of the WebSocket. A webhook without the filter would get the events of all environments.
  { misnamed: { environment_ids: 'write environment_id' } },
)

export const UpdateWebhook = Type.Object({ url: Type.Optional(Type.String()), ...settings })

export function readNewWebhook(body: Static<typeof CreateWebhook>): NewWebhook {
  return { url: body.url, ...readSettings(body), ...readEventTypes(namedTypes(body)) }
}

export function readWebhookChange(body: Static<typeof UpdateWebhook>): WebhookChange {
  const named = namedTypes(body)
  return { url: body.url, ...readSettings(body), ...(named && readEventTypes(named)) }
}

/** An empty list names nothing, so the other name is used. */
function namedTypes({ event_types, events }: Static<typeof UpdateWebhook>): readonly string[] | undefined {
  return readTexts(event_types?.length ? event_types : (events ?? event_types))
}

function readSettings({ inbox_id, inbox_ids, enabled, long_retries }: Static<typeof UpdateWebhook>) {
  return {
    inboxIds: (inbox_ids?.length || inbox_id === undefined ? inbox_ids : [inbox_id])?.map(readInboxId),
    isEnabled: enabled,
    hasLongRetries: long_retries,
  }
}
