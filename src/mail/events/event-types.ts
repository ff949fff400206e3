/**
 * The catalogue of event types: who is told of each, and with which permission.
 *
 * The names are AgentMail's where it has one, since subscribers of several dialects store and send them. A type is never
 * renamed and never changes its visibility: rows of the log outlive the version that wrote them.
 */
import type { Visibility } from '../../store/schema.ts'
import { type HiddenLabel, hiddenClasses, type Permission } from '../access/permissions.ts'

interface EventType {
  readonly visibility: Visibility
  /** Told only to a key that has it. `message_read` is not said here: without it there is no subscription at all. */
  readonly permission?: Permission
  /** The class of hidden mail that it is about: a standard type's variant, told only to those who name it. */
  readonly hidden?: HiddenLabel
}

const standard: EventType = { visibility: 'public' }
const optional: EventType = { visibility: 'optional' }
const calendar: EventType = { visibility: 'optional', permission: 'calendar_event_read' }
const internal: EventType = { visibility: 'internal' }

const catalogue = {
  // The eight that whoever names none is told of. Some are made by no code yet, but may be subscribed to.
  'message.received': standard,
  'message.sent': standard,
  'message.delivered': standard,
  'message.bounced': standard,
  'message.complained': standard,
  'message.rejected': standard,
  'message.opened': standard,
  'domain.verified': { visibility: 'public', permission: 'domain_read' },

  // Instead of message.received, never beside it.
  'message.received.spam': { visibility: 'public', permission: 'label_spam_read', hidden: 'spam' },
  'message.received.blocked': { visibility: 'public', permission: 'label_blocked_read', hidden: 'blocked' },
  'message.received.unauthenticated': {
    visibility: 'public',
    permission: 'label_unauthenticated_read',
    hidden: 'unauthenticated',
  },

  // Only when named: AgentMail's clients take a type that they do not know for message.received and fail on it.
  'message.delayed': optional,
  'message.held': optional,
  'message.released': optional,
  'message.cancelled': optional,
  'label.added': optional,
  'label.removed': optional,
  'inbox.created': { visibility: 'optional', permission: 'inbox_read' },
  'inbox.deleted': { visibility: 'optional', permission: 'inbox_read' },
  'webhook.disabled': { visibility: 'optional', permission: 'webhook_read' },

  // AgentMail's newer types (docs/compatibility/agentmail.md): nothing makes them yet.
  'message.security.completed': optional,
  'message.security.review': optional,
  'message.security.override': optional,
  'calendar.event.created': calendar,
  'calendar.event.updated': calendar,
  'calendar.event.deleted': calendar,
  'calendar.event.responded': calendar,
  'calendar.event.starting': calendar,
  'calendar.event.ending': calendar,

  // For Martlet's own nodes: what was opened in the name of a thing that is gone must be closed everywhere.
  'key.revoked': internal,
  'inbox.gone': internal,
  'pod.gone': internal,
} as const satisfies Record<string, EventType>

export type EventTypeName = keyof typeof catalogue

const types: ReadonlyMap<string, EventType> = new Map(Object.entries(catalogue))

/** What is known of a type; undefined for one that this version does not know. */
export function getEventType(name: string): EventType | undefined {
  return types.get(name)
}

/** Whether a client may name it in a subscription. */
export function isSubscribable(name: string): boolean {
  const type = types.get(name)
  return type !== undefined && type.visibility !== 'internal'
}

/** What a subscriber that names no type is told of. */
export const standardTypes: ReadonlySet<string> = new Set(
  [...types].filter(([, type]) => type.visibility === 'public' && !type.hidden).map(([name]) => name),
)

/** Every name that a subscription may hold, for documentation and schemas. */
export const subscribableTypes: readonly string[] = [...types.keys()].filter(isSubscribable)

/**
 * The type that tells of a received message with these labels. Where several classes hide it, the owner's own list
 * (`blocked`) counts before our guess (`spam`), and that before a missing proof (`unauthenticated`).
 */
export function receivedType(labels: readonly string[]): EventTypeName {
  if (labels.includes('blocked')) return 'message.received.blocked'
  if (labels.includes('spam')) return 'message.received.spam'
  if (labels.includes('unauthenticated')) return 'message.received.unauthenticated'
  return 'message.received'
}

/**
 * Permissions without which an event's message could not be seen, from the labels in its payload. A changed label
 * itself does not count: whoever could see the message before or after the change may know that it came or went.
 */
export function permissionsToSee(payload: Readonly<Record<string, unknown>>): readonly Permission[] {
  const { labels, label } = payload
  if (!Array.isArray(labels)) return []
  return hiddenClasses
    .filter((hidden) => hidden.label !== label && labels.includes(hidden.label))
    .map((hidden) => hidden.permission)
}
