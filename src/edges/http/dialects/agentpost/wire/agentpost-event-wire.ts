/**
 * Events as AgentPost sends them: the envelope is the body of a webhook, and `data` of a frame
 * (docs/compatibility/agentpost.md). Pure.
 */
import type { Event } from '../../../../../mail/events/log/event.ts'
import {
  isMessageEvent,
  type MessageReference,
  type ReceivedPayload,
} from '../../../../../mail/events/log/message-events.ts'
import { isDomainVerified } from '../../../../../mail/events/log/resource-events.ts'
import { receivedTypes, shownEventType } from '../../../../../mail/events/log/seven-types.ts'
import type { EventSubject } from '../../../../../mail/messages/views/event-subject.ts'
import { shownId } from '../prefixed-ids.ts'
import { time } from './agentpost-shape-wire.ts'
import { domainItem } from './organization-wire.ts'

export interface Envelope {
  readonly id: string
  readonly type: string
  readonly timestamp: string
  readonly org_id: string
  readonly env_id: string | null
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * @param subject message of a `message.received`, if it still exists
 * @returns undefined for a type that this dialect does not have
 */
export function renderEvent(event: Event, subject: Omit<EventSubject, 'version'>): Envelope | undefined {
  const data = renderData(event, subject)
  return (
    data && {
      id: shownId('evt', event.eventId),
      type: shownEventType(event.type),
      timestamp: time(event.at),
      org_id: shownId('org', event.organizationId),
      env_id: event.podId === undefined ? null : shownId('env', event.podId),
      data,
    }
  )
}

function renderData(event: Event, subject: Omit<EventSubject, 'version'>): Record<string, unknown> | undefined {
  if (isMessageEvent(event, ...receivedTypes)) return received(event, subject)
  if (isMessageEvent(event, 'message.sent')) return { ...outcome(event), sent_at: time(event.payload.timestamp) }
  if (isMessageEvent(event, 'message.delivered')) {
    return { ...outcome(event), delivered_at: time(event.payload.timestamp) }
  }
  if (isMessageEvent(event, 'message.bounced')) {
    const { bounceType, bounceSubType, recipients, timestamp } = event.payload
    return {
      ...reference(event),
      bounce_type: bounceType,
      bounce_sub_type: bounceSubType,
      bounced_recipients: recipients.map(({ address, status }) => ({ email_address: address, status })),
      bounced_at: time(timestamp),
    }
  }
  if (isMessageEvent(event, 'message.complained')) {
    const { complaintType, recipients, timestamp } = event.payload
    return {
      ...reference(event),
      complaint_type: complaintType,
      complained_recipients: recipients,
      complained_at: time(timestamp),
    }
  }
  if (isMessageEvent(event, 'message.rejected')) {
    const { reason, timestamp } = event.payload
    return { ...outcome(event), reason, rejected_at: time(timestamp) }
  }
  if (isDomainVerified(event)) {
    const { id, domain } = domainItem(event.payload.domain)
    return { domain_id: id, domain, verified_at: time(event.at) }
  }
  return undefined
}

type Referring = Event & { readonly payload: MessageReference }

function reference(event: Referring) {
  return {
    message_id: event.messageId === undefined ? null : shownId('msg', event.messageId),
    thread_id: shownId('thr', event.payload.threadId),
    inbox_id: event.inboxId === undefined ? null : shownId('inb', event.inboxId),
  }
}

function outcome(event: Referring & { readonly payload: { readonly recipients: readonly string[] } }) {
  return { ...reference(event), to_addresses: event.payload.recipients }
}

/** Addresses are plain texts here. Of a message that was deleted before, only what the log has is known. */
function received(event: Event & { readonly payload: ReceivedPayload }, { message }: Omit<EventSubject, 'version'>) {
  const { thread, labels } = event.payload
  return {
    ...reference(event),
    from_address: message?.from?.address ?? '',
    to_addresses: (message?.to ?? []).map(({ address }) => address),
    subject: message ? (message.subject ?? '') : (thread.subject ?? ''),
    extracted_text: message?.extractedText ?? message?.text ?? message?.textFromHtml ?? '',
    has_attachments: (message?.attachments ?? []).length > 0,
    labels,
    received_at: time(message?.timestamp ?? event.at),
    ...(message === undefined && { deleted: true }),
  }
}

const ITEMS_KEPT = 100
const CHARS_KEPT = 1_000

/**
 * Renders JSON of at most `bytesMax` bytes. The text of a message is left out of one that would be larger, and then lists and
 * other texts are cut; `data.truncated` says so.
 *
 * @param isWithoutBodies the text is missing because it exceeds this limit
 */
export function boundedJson(
  envelope: Envelope,
  wrap: (envelope: Envelope) => object,
  bytesMax: number,
  isWithoutBodies: boolean | undefined,
): string {
  const { data } = envelope
  const withData = (changed: Envelope['data']) => JSON.stringify(wrap({ ...envelope, data: changed }))
  const withoutText = { ...data, extracted_text: '', truncated: true }
  const reductions = [
    ...(isWithoutBodies || textChars(data) > bytesMax ? [] : [() => data]),
    () => withoutText,
    () => Object.fromEntries(Object.entries(withoutText).map(([name, value]) => [name, cut(value)])),
  ]
  for (const reduce of reductions) {
    const json = withData(reduce())
    if (Buffer.byteLength(json) <= bytesMax) return json
  }
  return withData({ message_id: data.message_id, truncated: true })
}

/** Each character takes at least one byte. */
function textChars({ extracted_text: text }: Envelope['data']): number {
  return typeof text === 'string' ? text.length : 0
}

function cut(value: unknown): unknown {
  if (typeof value === 'string') return value.slice(0, CHARS_KEPT).replace(/[\ud800-\udbff]$/, '')
  return Array.isArray(value) ? value.slice(0, ITEMS_KEPT) : value
}
