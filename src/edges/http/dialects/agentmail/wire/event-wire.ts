/**
 * Events as AgentMail sends them over its WebSocket and webhooks (docs/compatibility/agentmail.md). Python clients
 * validate each frame strictly: they parse a frame that lacks a required member as a message.received without a
 * message. So every required member is always present.
 */
import { type DraftPayload, isDraftEvent } from '../../../../../mail/events/log/draft-events.ts'
import type { Event } from '../../../../../mail/events/log/event.ts'
import {
  type BouncedPayload,
  isMessageEvent,
  type MessageReference,
  type ReceivedPayload,
  receivedTypes,
} from '../../../../../mail/events/log/message-events.ts'
import { isRefusal, type RefusedPayload } from '../../../../../mail/events/log/refusal-events.ts'
import { isDomainVerified, isInboxEvent, isWebhookDisabled } from '../../../../../mail/events/log/resource-events.ts'
import { isSenderEvent } from '../../../../../mail/events/log/sender-events.ts'
import type { EventSubject } from '../../../../../mail/messages/views/event-subject.ts'
import { domain } from './domain-wire.ts'
import { message } from './message-wire.ts'
import { optionalTime, time } from './shape-wire.ts'
import { threadItem } from './thread-wire.ts'
import { shownWebhookId } from './webhook-wire.ts'

/**
 * Renders an event. Pure, so that webhook bodies and frames are built from the same parts.
 *
 * @param subject message and thread of a `message.received` or one of its variants, if they still exist
 * @returns undefined for a type that this dialect cannot represent
 */
export function renderEvent(event: Event, subject: Omit<EventSubject, 'version'>): Record<string, unknown> | undefined {
  const body = renderMembers(event, subject)
  return body && { type: 'event', event_type: event.type, event_id: `evt_${event.eventId}`, ...body }
}

function renderMembers(event: Event, subject: Omit<EventSubject, 'version'>): Record<string, unknown> | undefined {
  if (isMessageEvent(event, ...receivedTypes)) return received(event, subject)
  if (isMessageEvent(event, 'message.sent')) return { send: recipients(event.payload) }
  if (isMessageEvent(event, 'message.delivered')) return { delivery: recipients(event.payload) }
  if (isMessageEvent(event, 'message.bounced')) return { bounce: bounce(event.payload) }
  if (isMessageEvent(event, 'message.complained')) {
    const { complaintType, complaintSubType } = event.payload
    return { complaint: { ...recipients(event.payload), type: complaintType, sub_type: complaintSubType } }
  }
  if (isMessageEvent(event, 'message.rejected')) {
    return { reject: { ...recipients(event.payload), reason: event.payload.reason } }
  }
  if (isMessageEvent(event, 'message.opened')) {
    return { open: { ...reference(event.payload), timestamp: time(event.payload.timestamp) } }
  }
  if (isDomainVerified(event)) return { domain: domain(event.payload.domain) }

  // Martlet's own types, sent only to subscribers that name them.
  if (isMessageEvent(event, 'message.held')) return { hold: recipients(event.payload) }
  if (isMessageEvent(event, 'message.released')) return { release: recipients(event.payload) }
  if (isMessageEvent(event, 'message.cancelled')) return { cancellation: recipients(event.payload) }
  if (isMessageEvent(event, 'message.delayed')) {
    const { nextAttemptAt, reply } = event.payload
    return { delay: { ...recipients(event.payload), next_attempt_at: optionalTime(nextAttemptAt), reply } }
  }
  if (isMessageEvent(event, 'message.expired')) {
    const { timestamp, labels } = event.payload
    return { expiry: { ...reference(event.payload), timestamp: time(timestamp), labels } }
  }
  if (isMessageEvent(event, 'message.appended')) {
    const { timestamp, labels } = event.payload
    return { append: { ...reference(event.payload), timestamp: time(timestamp), labels } }
  }
  if (isMessageEvent(event, 'message.deleted')) {
    return { deletion: { ...reference(event.payload), timestamp: time(event.at), labels: event.payload.labels } }
  }
  if (isDraftEvent(event)) return { draft: { ...draft(event.payload), timestamp: time(event.at) } }
  if (isRefusal(event)) return { refusal: refusal(event.payload) }
  if (isMessageEvent(event, 'label.added', 'label.removed')) {
    const { label, labels } = event.payload
    return { label: { ...reference(event.payload), timestamp: time(event.at), label, labels } }
  }
  if (isWebhookDisabled(event)) {
    const { webhookId, reason, failingSince } = event.payload
    const webhook = { webhook_id: shownWebhookId(webhookId), enabled: false, disabled_reason: reason }
    return { webhook: { ...webhook, failing_since: optionalTime(failingSince), timestamp: time(event.at) } }
  }
  if (isSenderEvent(event)) {
    const { inboxAddress, senderId, address, origin } = event.payload
    return { sender: { inbox_id: inboxAddress, sender_id: senderId, address, origin, timestamp: time(event.at) } }
  }
  if (isInboxEvent(event)) {
    const { inboxAddress, displayName, clientId, previousAddress } = event.payload
    const inbox = {
      pod_id: event.podId,
      inbox_id: inboxAddress,
      email: inboxAddress,
      previous_inbox_id: previousAddress,
    }
    return { inbox: { ...inbox, display_name: displayName, client_id: clientId, timestamp: time(event.at) } }
  }
  return undefined
}

function received(event: Event & { readonly payload: ReceivedPayload }, subject: Omit<EventSubject, 'version'>) {
  const { payload } = event
  const thread = subject.thread ?? { ...payload.thread, inboxAddress: payload.inboxAddress }
  return {
    message: subject.message ? message(subject.message) : goneMessage(event),
    thread: threadItem(thread),
  }
}

/**
 * A message that was deleted before its event was sent: the data of the log entry, in a form that clients can parse.
 */
function goneMessage({ at, payload }: Event & { readonly payload: ReceivedPayload }) {
  const when = time(at)
  return {
    ...reference(payload),
    labels: payload.labels,
    timestamp: when,
    from: '',
    to: [],
    codes: [],
    links: [],
    size: 0,
    updated_at: when,
    created_at: when,
    deleted: true,
  }
}

/** Members that a draft has over REST, and `message_id`: that of the message that it became. */
function draft(payload: DraftPayload) {
  return {
    inbox_id: payload.inboxAddress,
    draft_id: payload.draftId,
    thread_id: payload.threadId,
    client_id: payload.clientId,
    send_status: payload.sendStatus,
    send_at: optionalTime(payload.sendAt),
    message_id: payload.apiMessageId,
  }
}

function refusal({ inboxAddress, recipient, sender, remoteAddress, code, reason, timestamp, count }: RefusedPayload) {
  const from = { sender, client_address: remoteAddress }
  return { inbox_id: inboxAddress, recipient, ...from, code, reason, timestamp: time(timestamp), count }
}

function recipients(
  payload: MessageReference & { readonly timestamp: number; readonly recipients: readonly string[] },
) {
  return { ...reference(payload), timestamp: time(payload.timestamp), recipients: payload.recipients }
}

function bounce(payload: BouncedPayload) {
  return {
    ...reference(payload),
    timestamp: time(payload.timestamp),
    type: payload.bounceType === 'permanent' ? 'Permanent' : 'Transient',
    sub_type: payload.bounceSubType,
    recipients: payload.recipients.map(({ address, status }) => ({ address, status })),
  }
}

function reference(payload: MessageReference) {
  return { inbox_id: payload.inboxAddress, thread_id: payload.threadId, message_id: payload.apiMessageId }
}
