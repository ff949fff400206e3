/** Events: AgentMail's, of seven types and with the ids of this dialect (docs/compatibility/inboxai.md). Pure. */
import type { Event } from '../../../../../mail/events/log/event.ts'
import { isDomainVerified } from '../../../../../mail/events/log/resource-events.ts'
import { isOneOfSeven, shownEventType } from '../../../../../mail/events/log/seven-types.ts'
import type { EventSubject } from '../../../../../mail/messages/views/event-subject.ts'
import * as agentMail from '../../agentmail/wire/event-wire.ts'
import { shownInboxId, shownMessageId, shownThreadId } from '../inboxai-ids.ts'
import { domain } from './inboxai-domain-wire.ts'

/**
 * @param subject message and thread of a `message.received`, if they still exist
 * @returns undefined for a type that this dialect does not have
 */
export function renderEvent(event: Event, subject: Omit<EventSubject, 'version'>): Record<string, unknown> | undefined {
  const rendered = isOneOfSeven(event.type) ? agentMail.renderEvent(event, subject) : undefined
  if (!rendered) return undefined
  const members = Object.entries(rendered).map(([name, value]) => [
    name,
    isObject(value) ? withIds(value, event) : value,
  ])
  return {
    ...Object.fromEntries(members),
    event_type: shownEventType(event.type),
    ...(isDomainVerified(event) && { domain: domain(event.payload.domain) }),
  }
}

/** The parts of an event concern one inbox, one thread and at most one message. */
function withIds(part: Readonly<Record<string, unknown>>, { inboxId, messageId, payload }: Event) {
  const { threadId } = payload
  return {
    ...part,
    ...('inbox_id' in part && inboxId !== undefined && { inbox_id: shownInboxId(inboxId) }),
    ...('thread_id' in part && typeof threadId === 'string' && { thread_id: shownThreadId(threadId) }),
    ...('message_id' in part &&
      messageId !== undefined && { message_id: shownMessageId(messageId), header_message_id: part.message_id }),
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
