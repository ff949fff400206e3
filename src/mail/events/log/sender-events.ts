/** Events of senders that a challenge has verified (mail/receiving/challenges appends them); edges render them. */
import type { NewEvent } from '../../../store/handles.ts'
import type { Event } from './event.ts'
import { type EventTypeName, getEventType } from './event-types.ts'

interface EventSender {
  readonly id: string
  readonly organizationId: string
  readonly podId: string
  readonly inboxId: string
  readonly address: string
  readonly origin: string
}

export interface SenderPayload {
  readonly inboxAddress: string
  readonly senderId: string
  readonly address: string
  readonly origin: string
}

interface AboutSender {
  readonly actor: string
  readonly sender: EventSender
  readonly inboxAddress: string
}

export function isSenderEvent(event: Event): event is Event & { readonly payload: SenderPayload } {
  return event.type === 'sender.verified' || event.type === 'sender.revoked'
}

/** It has answered the challenge of an inbox. */
export function senderVerified(about: AboutSender): NewEvent {
  return senderEvent('sender.verified', about)
}

export function senderRevoked(about: AboutSender): NewEvent {
  return senderEvent('sender.revoked', about)
}

function senderEvent(type: EventTypeName, { actor, sender, inboxAddress }: AboutSender): NewEvent {
  const { id: senderId, organizationId, podId, inboxId, address, origin } = sender
  const payload = { inboxAddress, senderId, address, origin } satisfies SenderPayload
  return { type, visibility: getEventType(type)!.visibility, actor, organizationId, podId, inboxId, payload }
}
