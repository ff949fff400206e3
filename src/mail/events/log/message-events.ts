/**
 * Events of messages: the modules that change a message append them, and edges render them.
 *
 * A payload contains ids and the small fields that a list shows, as of that time, so that an event can be sent after
 * its message was deleted; bodies are read from the message while it exists. Payloads remain in the log for weeks: add
 * optional fields, but never change the meaning of a field.
 */
import type { NewEvent } from '../../../store/handles.ts'
import type { Event } from './event.ts'
import { type EventTypeName, getEventType, receivedType } from './event-types.ts'

/** The message of an event. A stored message, as `messages` returns it, has this shape. */
export interface EventMessage {
  readonly id: string
  readonly organizationId: string
  readonly podId: string
  readonly inboxId: string
  readonly inboxAddress: string
  readonly threadId: string
  /** The id that clients see, unique in the inbox. */
  readonly messageId: string
  /** The labels after the change. */
  readonly labels: readonly string[]
}

/** The fields of an attachment that lists show. */
export interface AttachmentSnapshot {
  readonly id: string
  readonly filename?: string
  readonly contentType: string
  readonly disposition: 'inline' | 'attachment'
  /** Without angle brackets. */
  readonly contentId?: string
  /** Decoded. */
  readonly sizeBytes: number
}

/** What a list shows of a thread, without its organization, pod and inbox. */
export interface ThreadSnapshot {
  readonly id: string
  /** Union over its messages. */
  readonly labels: readonly string[]
  /** The time of its newest message, epoch ms. */
  readonly timestamp: number
  readonly receivedTimestamp?: number
  readonly sentTimestamp?: number
  /** "Name <address>" or the address. */
  readonly senders: readonly string[]
  readonly recipients: readonly string[]
  readonly subject?: string
  readonly preview?: string
  readonly attachments: readonly AttachmentSnapshot[]
  /** messageId of its newest message. */
  readonly lastMessageId: string
  readonly messageCount: number
  readonly sizeBytes: number
  readonly createdAt: number
  readonly updatedAt: number
}

/** Common to all events of messages. */
export interface MessageReference {
  /** The inbox's address. */
  readonly inboxAddress: string
  readonly threadId: string
  /** The id that clients see; the event's own `messageId` is our id of the row. */
  readonly apiMessageId: string
}

export interface ReceivedPayload extends MessageReference {
  readonly labels: readonly string[]
  readonly thread: ThreadSnapshot
}

/** `message.sent`, `.delivered`, `.held`, `.released`, `.cancelled`: the recipients that are affected. */
export interface RecipientsPayload extends MessageReference {
  /** When it happened, epoch ms. */
  readonly timestamp: number
  readonly recipients: readonly string[]
}

export interface BouncedPayload extends MessageReference {
  readonly timestamp: number
  /** `permanent`: the address will not work later either. */
  readonly bounceType: 'permanent' | 'transient'
  /** A value of Amazon SES, which AgentMail's clients know: General, NoEmail, MailboxFull, MessageTooLarge … */
  readonly bounceSubType: string
  readonly recipients: readonly {
    readonly address: string
    /** The enhanced status code, or the text of the remote server. */
    readonly status: string
  }[]
}

/** Complaints arrive as reports of feedback loops (mail/receiving/complaints/). */
export interface ComplainedPayload extends MessageReference {
  readonly timestamp: number
  /** A value of Amazon SES: abuse, fraud, virus … */
  readonly complaintType: string
  readonly complaintSubType: string
  readonly recipients: readonly string[]
}

export interface RejectedPayload extends MessageReference {
  readonly timestamp: number
  /** Sentences without a full stop. */
  readonly reason: string
  /** Those to which the message is not sent any more. */
  readonly recipients: readonly string[]
}

/** No code creates it yet: opens are not tracked. */
export interface OpenedPayload extends MessageReference {
  readonly timestamp: number
}

export interface DelayedPayload extends MessageReference {
  readonly timestamp: number
  readonly recipients: readonly string[]
  /** Epoch ms. */
  readonly nextAttemptAt?: number | undefined
  /** The last reply of the remote server, or our own text. */
  readonly reply?: string | undefined
}

/** The message was deleted because it was older than its inbox keeps messages. */
export interface ExpiredPayload extends MessageReference {
  readonly timestamp: number
  /** The labels that it had. */
  readonly labels: readonly string[]
}

/** A user deleted the message permanently. */
export interface DeletedPayload extends MessageReference {
  /** The labels that it had. */
  readonly labels: readonly string[]
}

/** A mail program added the message to the inbox. */
export interface AppendedPayload extends MessageReference {
  readonly timestamp: number
  readonly labels: readonly string[]
}

export interface LabelPayload extends MessageReference {
  readonly label: string
  /** All labels after the change. */
  readonly labels: readonly string[]
}

interface MessagePayloads {
  'message.received': ReceivedPayload
  'message.received.spam': ReceivedPayload
  'message.received.blocked': ReceivedPayload
  'message.received.unauthenticated': ReceivedPayload
  'message.received.duplicate': ReceivedPayload
  'message.sent': RecipientsPayload
  'message.delivered': RecipientsPayload
  'message.bounced': BouncedPayload
  'message.complained': ComplainedPayload
  'message.rejected': RejectedPayload
  'message.opened': OpenedPayload
  'message.delayed': DelayedPayload
  'message.held': RecipientsPayload
  'message.released': RecipientsPayload
  'message.cancelled': RecipientsPayload
  'message.expired': ExpiredPayload
  'message.appended': AppendedPayload
  'message.deleted': DeletedPayload
  'label.added': LabelPayload
  'label.removed': LabelPayload
}

export type LabelEvent = Event & { readonly type: 'label.added' | 'label.removed'; readonly payload: LabelPayload }

/** Narrows an event of the log to a type whose payload is known. */
export function isMessageEvent<Type extends keyof MessagePayloads>(
  event: Event,
  ...names: readonly Type[]
): event is Event & { readonly type: Type; readonly payload: MessagePayloads[Type] } {
  return (names as readonly string[]).includes(event.type)
}

/** Types whose events are rendered with the message itself. All others contain only ids, recipients and labels. */
export const receivedTypes = [
  'message.received',
  'message.received.spam',
  'message.received.blocked',
  'message.received.unauthenticated',
  'message.received.duplicate',
] as const

/** Whether events of this type are rendered with the message itself: its text, subject, attachments, codes. */
export function isRenderedWithMessage(type: string): boolean {
  return (receivedTypes as readonly string[]).includes(type)
}

/** The actor's name, as `actorName` returns it, and the message. */
interface About {
  readonly actor: string
  readonly message: EventMessage
}

/** `message.received`, or its variant for a hidden class in the message's labels, or for a repeated message. */
export function messageReceived({
  thread,
  isRepeated = false,
  ...about
}: About & { readonly thread: ThreadSnapshot; readonly isRepeated?: boolean }): NewEvent {
  const { labels } = about.message
  return messageEvent(receivedType(labels, isRepeated), about, { labels, thread } satisfies Own<ReceivedPayload>)
}

/** Martlet accepted the message for these envelope recipients. */
export function messageSent({ actor, message, ...own }: About & Own<RecipientsPayload>): NewEvent {
  return messageEvent('message.sent', { actor, message }, own)
}

/** The remote server accepted the message for these recipients. */
export function messageDelivered({ actor, message, ...own }: About & Own<RecipientsPayload>): NewEvent {
  return messageEvent('message.delivered', { actor, message }, own)
}

/** Delivery to these recipients failed permanently. */
export function messageBounced({ actor, message, ...own }: About & Own<BouncedPayload>): NewEvent {
  return messageEvent('message.bounced', { actor, message }, own)
}

/** The inbox may no longer send to these recipients: it was paused, or a list denies them. */
export function messageRejected({ actor, message, ...own }: About & Own<RejectedPayload>): NewEvent {
  return messageEvent('message.rejected', { actor, message }, own)
}

/** Delivery failed temporarily and will be retried. */
export function messageDelayed({ actor, message, ...own }: About & Own<DelayedPayload>): NewEvent {
  return messageEvent('message.delayed', { actor, message }, own)
}

/** Held, by the operator's configuration or an API call: delivery is not attempted until it is released. */
export function messageHeld({ actor, message, ...own }: About & Own<RecipientsPayload>): NewEvent {
  return messageEvent('message.held', { actor, message }, own)
}

/** Released: no longer held, and queued for delivery. */
export function messageReleased({ actor, message, ...own }: About & Own<RecipientsPayload>): NewEvent {
  return messageEvent('message.released', { actor, message }, own)
}

/** Removed from the queue by an API call: delivery is no longer attempted. */
export function messageCancelled({ actor, message, ...own }: About & Own<RecipientsPayload>): NewEvent {
  return messageEvent('message.cancelled', { actor, message }, own)
}

/** Deleted because of its age. */
export function messageExpired({ actor, message, timestamp }: About & { readonly timestamp: number }): NewEvent {
  const { labels } = message
  return messageEvent('message.expired', { actor, message }, { timestamp, labels } satisfies Own<ExpiredPayload>)
}

/** Deleted permanently, over the API or by a mail program. `message.labels` are those that it had. */
export function messageDeleted({ actor, message }: About): NewEvent {
  const { labels } = message
  return messageEvent('message.deleted', { actor, message }, { labels } satisfies Own<DeletedPayload>)
}

/** A mail program added it (IMAP APPEND): it was neither received nor sent. */
export function messageAppended({
  actor,
  message,
  timestamp,
  entries,
}: About & { readonly timestamp: number } & Pick<NewEvent, 'entries'>): NewEvent {
  const { labels } = message
  const payload = { timestamp, labels } satisfies Own<AppendedPayload>
  return { ...messageEvent('message.appended', { actor, message }, payload), entries }
}

/** Recipients say that the message is spam. */
export function messageComplained({ actor, message, ...own }: About & Own<ComplainedPayload>): NewEvent {
  return messageEvent('message.complained', { actor, message }, own)
}

/** One event per added or removed label; `message.labels` are the labels after the whole change. */
export function labelEvents(
  about: About & { readonly added: readonly string[]; readonly removed: readonly string[] },
): NewEvent[] {
  const { labels } = about.message
  const one = (type: EventTypeName) => (label: string) =>
    ({ ...messageEvent(type, about, { label, labels } satisfies Own<LabelPayload>), changesLabels: true }) as const
  return [...about.added.map(one('label.added')), ...about.removed.map(one('label.removed'))]
}

/** A payload without the fields that all message events have. */
type Own<Payload extends MessageReference> = Omit<Payload, keyof MessageReference>

function messageEvent(type: EventTypeName, { actor, message }: About, own: object): NewEvent {
  const { inboxAddress, threadId, messageId: apiMessageId } = message
  return {
    type,
    visibility: getEventType(type)!.visibility,
    organizationId: message.organizationId,
    podId: message.podId,
    inboxId: message.inboxId,
    messageId: message.id,
    actor,
    payload: { inboxAddress, threadId, apiMessageId, ...own } satisfies MessageReference,
  }
}
