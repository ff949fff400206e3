/** The event of received mail that was refused or dropped: nothing of it is stored. */
import type { NewEvent } from '../../../store/handles.ts'
import type { Event } from './event.ts'
import { getEventType } from './event-types.ts'

export interface RefusedPayload {
  /** The address of the inbox that would have got the message. */
  readonly inboxAddress: string
  /** The address in the envelope. */
  readonly recipient: string
  /** Envelope sender; "" for a bounce. Of several messages, that of the last one. */
  readonly sender: string
  /** The IP address of the client; absent for mail of this server. */
  readonly remoteAddress?: string
  /** A code of the error catalogue (docs/errors.md). */
  readonly code: string
  /** A sentence without a full stop. */
  readonly reason: string
  /** Epoch ms: when the last one was refused. */
  readonly timestamp: number
  /** How many messages the event stands for. */
  readonly count: number
}

const TYPE = 'message.refused'

export function isRefusal(event: Event): event is Event & { readonly payload: RefusedPayload } {
  return event.type === TYPE
}

export function messageRefused(about: {
  readonly actor: string
  readonly inbox: { readonly id: string; readonly organizationId: string; readonly podId: string }
  readonly payload: RefusedPayload
}): NewEvent {
  const { id: inboxId, organizationId, podId } = about.inbox
  const { actor, payload } = about
  return {
    type: TYPE,
    visibility: getEventType(TYPE)!.visibility,
    actor,
    organizationId,
    podId,
    inboxId,
    payload: { ...payload },
  }
}
