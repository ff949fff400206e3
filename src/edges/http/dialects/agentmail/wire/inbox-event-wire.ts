/** A label change of a message (docs/compatibility/agentmail.md). */
import { Type } from 'typebox'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { LabelEvent } from '../../../../../mail/events/log/message-events.ts'
import { named, namedPage, pageHead, Time, time, type Wire } from './shape-wire.ts'

const InboxEvent = named('InboxEvent', {
  organization_id: Type.String(),
  pod_id: Type.String(),
  inbox_id: Type.String(),
  event_id: Type.String({ description: 'The same on the WebSocket, in streams and in webhooks.' }),
  event_type: Type.Union([Type.Literal('label.added'), Type.Literal('label.removed')]),
  message_id: Type.String(),
  label: Type.String(),
  event_at: Time,
  created_at: Time,
})

export const InboxEventList = namedPage('ListInboxEventsResponse', { events: Type.Array(InboxEvent) })

export function inboxEventList(page: Page<LabelEvent>): Wire<typeof InboxEventList> {
  return { ...pageHead(page), events: page.items.map(inboxEvent) }
}

function inboxEvent({ eventId, type, at, organizationId, podId, payload }: LabelEvent): Wire<typeof InboxEvent> {
  return {
    organization_id: organizationId,
    pod_id: podId ?? '', // every message has a pod
    inbox_id: payload.inboxAddress,
    event_id: `evt_${eventId}`,
    event_type: type,
    message_id: payload.apiMessageId,
    label: payload.label,
    event_at: time(at),
    created_at: time(at),
  }
}
