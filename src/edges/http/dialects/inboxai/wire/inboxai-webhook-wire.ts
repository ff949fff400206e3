/** Webhooks: AgentMail's, with the seven event types and the ids of this dialect (docs/compatibility/inboxai.md). */
import { type Static, Type } from 'typebox'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import { readEventTypes, shownEventTypes } from '../../../../../mail/events/log/seven-types.ts'
import type { ChangedWebhook, NewWebhook, Webhook, WebhookChange } from '../../../../../mail/webhooks/config/webhook.ts'
import { pageHead } from '../../agentmail/wire/shape-wire.ts'
import * as agentMail from '../../agentmail/wire/webhook-wire.ts'
import { shownInboxId } from '../inboxai-ids.ts'

export function webhook(view: ChangedWebhook) {
  return {
    ...agentMail.webhook(view),
    event_types: shownEventTypes(view.eventTypes),
    inbox_ids: view.inboxIds?.map(shownInboxId),
    inbox_id: view.inboxId && shownInboxId(view.inboxId),
  }
}

export function webhookList(page: Page<Webhook>) {
  return { ...pageHead(page), webhooks: page.items.map(webhook) }
}

/** inboxai does not show the members, so those of the other services are accepted: one that is ignored would select everything. */
const synonyms = { events: agentMail.CreateWebhook.properties.event_types, inbox_id: Type.Optional(Type.String()) }

export const CreateWebhook = Type.Object(
  { ...agentMail.CreateWebhook.properties, ...synonyms },
  { misnamed: { pod_id: 'write pod_ids' } },
)

/** `inbox_ids` replaces all: AgentMail's API only adds and removes. */
export const UpdateWebhook = Type.Object({
  ...agentMail.UpdateWebhook.properties,
  events: synonyms.events,
  inbox_ids: Type.Optional(Type.Array(Type.String())),
})

/** @throws validation_error */
export function readNewWebhook(body: Static<typeof CreateWebhook>): NewWebhook {
  const inboxIds = body.inbox_ids?.length || body.inbox_id === undefined ? body.inbox_ids : [body.inbox_id]
  return { ...agentMail.readNewWebhook(body), inboxIds, ...readEventTypes(namedTypes(body)) }
}

/** @throws validation_error */
export function readWebhookChange(body: Static<typeof UpdateWebhook>): WebhookChange {
  const eventTypes = namedTypes(body)
  return {
    ...agentMail.readWebhookChange(body),
    ...(body.inbox_ids && { inboxIds: body.inbox_ids }),
    ...(eventTypes?.length && readEventTypes(eventTypes)),
  }
}

/** An empty list names nothing, so the synonym is used. */
function namedTypes({ event_types, events }: Static<typeof UpdateWebhook>): readonly string[] | undefined {
  return event_types?.length ? event_types : events
}
