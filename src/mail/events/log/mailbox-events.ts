/**
 * Internal events for the mailboxes of IMAP (mail/mailboxes), which follow the log: what no other event reports. No client
 * gets them.
 */
import type { EntryKey, NewEvent } from '../../../store/handles.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import { type EventTypeName, getEventType } from './event-types.ts'

export interface MessagesRemovedPayload {
  readonly messageIds: readonly string[]
}

type InboxScope = Pick<InboxRow, 'id' | 'organization_id' | 'pod_id'>

/** Messages are gone, and no client gets an event about it. */
export function messagesRemoved(inbox: InboxScope, messageIds: readonly string[]): NewEvent {
  return internalEvent('messages.removed', inbox, { messageIds } satisfies MessagesRemovedPayload)
}

export interface MailboxesChangedPayload {
  /** No message has the labels, so that none has to be compared. */
  readonly isUnused: boolean
}

/** A label got or lost its mailbox: all messages are compared with the mailboxes, unless none has the label. */
export function mailboxesChanged(inbox: InboxScope, payload: MailboxesChangedPayload): NewEvent {
  return internalEvent('mailboxes.changed', inbox, payload)
}

/** Entries of mailboxes got or lost \Deleted. */
export function mailboxMarked(inbox: InboxScope, entries: readonly EntryKey[]): NewEvent {
  return { ...internalEvent('mailbox.marked', inbox, {}), entries }
}

function internalEvent(type: EventTypeName, { id, organization_id, pod_id }: InboxScope, payload: object): NewEvent {
  return {
    type,
    visibility: getEventType(type)!.visibility,
    actor: 'system:mailboxes',
    organizationId: organization_id,
    podId: pod_id,
    inboxId: id,
    payload: { ...payload },
  }
}
