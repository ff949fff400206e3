/**
 * Renders events as frames of this dialect. Each text is rendered once for all readers with the same permissions, and cached
 * for the next readers.
 */
import type { Limits } from '../../../../../config/limits.ts'
import type { Actor } from '../../../../../mail/access/actor.ts'
import { BoundedCache } from '../../../../../mail/events/feed/bounded-cache.ts'
import type { Event } from '../../../../../mail/events/log/event.ts'
import type { EventSubjects } from '../../../../../mail/messages/views/event-subject.ts'
import { EncodedText } from '../../../live/encoded-text.ts'
import { boundedJson, renderEvent } from '../wire/agentpost-event-wire.ts'

interface EventFramesNeeds {
  readonly eventSubjects: EventSubjects
  readonly limits: Limits
}

/** Returns the frame of an event for a reader; undefined if it must not be sent to it, or has no form here. */
export type EventFrame = (event: Event, actor: Actor) => Promise<EncodedText | undefined>

export function createEventFrames({ eventSubjects, limits }: EventFramesNeeds): EventFrame {
  /**
   * Keyed by the id of the event and the version of its subject: the text depends on nothing else. Not by its number, which belongs to
   * another event, perhaps of another tenant, after a backup was restored (docs/adr/0020).
   */
  const cached = new BoundedCache<string, EncodedText>({
    countMax: limits.events.jsonCachedMax,
    bytesMax: limits.events.jsonCachedBytesMax,
  })
  const { frameBytesMax } = limits.sockets

  return async function eventFrame(event, actor) {
    const subject = await eventSubjects.of(event, actor, frameBytesMax)
    if (!subject) return undefined
    const key = `${event.eventId} ${subject.version}`
    const known = cached.get(key)
    if (known) return known
    const envelope = renderEvent(event, subject)
    if (!envelope) return undefined
    const wrap = (data: object) => ({ type: 'event', data, cursor: event.cursor })
    const text = new EncodedText(boundedJson(envelope, wrap, frameBytesMax, subject.isWithoutBodies))
    cached.set(key, text, text.bytes)
    return text
  }
}
