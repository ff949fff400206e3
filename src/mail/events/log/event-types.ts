/**
 * The catalogue of event types: who receives each, and which permission it needs.
 *
 * Types have AgentMail's names if AgentMail has them, because subscribers of several dialects store and send these
 * names. A type is never renamed and never changes its visibility: rows of the log outlive the version that wrote them.
 */
import type { Visibility } from '../../../store/schema/event-rows.ts'
import { type HiddenLabel, hiddenClasses, type Permission } from '../../access/permissions.ts'

interface EventType {
  readonly visibility: Visibility
  /** Sent only to keys with this permission. `message_read` is not listed: without it a key cannot subscribe at all. */
  readonly permission?: Permission
  /** The class of hidden mail: a variant of a standard type, sent only to subscribers that name it. */
  readonly hidden?: HiddenLabel
  /** AgentMail has it, and no code creates it yet. */
  readonly isUnbuilt?: true
}

const standard: EventType = { visibility: 'public' }
const optional: EventType = { visibility: 'optional' }
const security: EventType = { visibility: 'optional', isUnbuilt: true }
const calendar: EventType = { visibility: 'optional', permission: 'calendar_event_read', isUnbuilt: true }
const draft: EventType = { visibility: 'optional', permission: 'draft_read' }
const internal: EventType = { visibility: 'internal' }

const catalogue = {
  // The eight standard types, for subscribers that name no type.
  'message.received': standard,
  'message.sent': standard,
  'message.delivered': standard,
  'message.bounced': standard,
  'message.complained': standard,
  'message.rejected': standard,
  'message.opened': { visibility: 'public', isUnbuilt: true },
  'domain.verified': { visibility: 'public', permission: 'domain_read' },

  // Sent instead of message.received, never together with it.
  'message.received.spam': { visibility: 'public', permission: 'label_spam_read', hidden: 'spam' },
  'message.received.blocked': { visibility: 'public', permission: 'label_blocked_read', hidden: 'blocked' },
  'message.received.unauthenticated': {
    visibility: 'public',
    permission: 'label_unauthenticated_read',
    hidden: 'unauthenticated',
  },

  // The same, for a message that repeats an earlier one: a program that acts on messages must not act twice.
  'message.received.duplicate': optional,

  // Only for subscribers that name them: AgentMail's clients treat an unknown type as message.received and fail.
  'message.delayed': optional,
  'message.refused': optional,
  'message.expired': optional,
  'message.appended': optional,
  'message.deleted': optional,
  'message.held': optional,
  'message.released': optional,
  'message.cancelled': optional,
  'label.added': optional,
  'label.removed': optional,
  'draft.created': draft,
  'draft.updated': draft,
  'draft.deleted': draft,
  'draft.sent': draft,
  'inbox.created': { visibility: 'optional', permission: 'inbox_read' },
  'inbox.deleted': { visibility: 'optional', permission: 'inbox_read' },
  'inbox.updated': { visibility: 'optional', permission: 'inbox_read' },
  'sender.verified': { visibility: 'optional', permission: 'list_entry_read' },
  'sender.revoked': { visibility: 'optional', permission: 'list_entry_read' },
  'webhook.disabled': { visibility: 'optional', permission: 'webhook_read' },

  // AgentMail's newer types (docs/compatibility/agentmail.md).
  'message.security.completed': security,
  'message.security.review': security,
  'message.security.override': security,
  'calendar.event.created': calendar,
  'calendar.event.updated': calendar,
  'calendar.event.deleted': calendar,
  'calendar.event.responded': calendar,
  'calendar.event.starting': calendar,
  'calendar.event.ending': calendar,

  // For the mailboxes of IMAP: what no other event reports.
  'messages.removed': internal,
  'mailbox.marked': internal,
  'mailboxes.changed': internal,

  // For Martlet's own nodes: when a key, inbox or pod is deleted, every node closes the connections opened with it.
  'key.revoked': internal,
  'inbox.gone': internal,
  'pod.gone': internal,
} as const satisfies Record<string, EventType>

export type EventTypeName = keyof typeof catalogue

const types: ReadonlyMap<string, EventType> = new Map(Object.entries(catalogue))

/** Returns the properties of a type; undefined for a type that this version does not know. */
export function getEventType(name: string): EventType | undefined {
  return types.get(name)
}

/** The types that a client may name in a subscription. */
export const subscribableTypes: readonly string[] = [...types]
  .filter(([, type]) => type.visibility !== 'internal')
  .map(([name]) => name)

/** Whether no code creates events of a type that clients may name. */
export function isUnbuiltType(name: string): boolean {
  return types.get(name)?.isUnbuilt ?? false
}

/** Whether a client may name the type in a subscription. */
export function isSubscribable(name: string): boolean {
  const type = types.get(name)
  return type !== undefined && type.visibility !== 'internal'
}

/** The types that a subscriber receives if it names none. */
export const standardTypes: ReadonlySet<string> = new Set(
  [...types].filter(([, type]) => type.visibility === 'public' && !type.hidden).map(([name]) => name),
)

/**
 * Returns the event type for a received message with these labels. If several classes hide it, the owner's block list
 * (`blocked`) takes precedence over the spam filter (`spam`), and that over missing authentication (`unauthenticated`).
 *
 * @param isRepeated its sender had already used its idempotency key
 */
export function receivedType(labels: readonly string[], isRepeated = false): EventTypeName {
  if (labels.includes('blocked')) return 'message.received.blocked'
  if (labels.includes('spam')) return 'message.received.spam'
  if (isRepeated) return 'message.received.duplicate'
  if (labels.includes('unauthenticated')) return 'message.received.unauthenticated'
  return 'message.received'
}

/**
 * Returns the permissions needed to see an event's message, from the labels in its payload. The changed label itself
 * does not count: an actor that could see the message before or after the change may know of the change.
 */
export function permissionsToSee(payload: Readonly<Record<string, unknown>>): readonly Permission[] {
  const { labels, label } = payload
  if (!Array.isArray(labels)) return []
  return hiddenClasses
    .filter((hidden) => hidden.label !== label && labels.includes(hidden.label))
    .map((hidden) => hidden.permission)
}
