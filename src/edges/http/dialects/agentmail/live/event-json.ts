/**
 * Renders events as this dialect's JSON, with the same text in a WebSocket frame, a page and an event stream. Each text
 * is rendered once for all readers with the same permissions, and cached for the next readers.
 */
import type { Limits } from '../../../../../config/limits.ts'
import type { Actor } from '../../../../../mail/access/actor.ts'
import { BoundedCache } from '../../../../../mail/events/feed/bounded-cache.ts'
import type { Event } from '../../../../../mail/events/log/event.ts'
import type { EventSubject, EventSubjects } from '../../../../../mail/messages/views/event-subject.ts'
import { EncodedText } from '../../../live/encoded-text.ts'
import { eventFrame } from '../wire/event-frame-wire.ts'
import { renderEvent } from '../wire/event-wire.ts'

export interface EventJson {
  /**
   * Renders an event for a reader as one JSON object on one line. Call this for each reader just before sending, because
   * a message can become hidden. Readers that may see the same data get the same text.
   *
   * @returns undefined for an event that this dialect cannot represent, or that must not be sent to this reader
   */
  of(event: Event, actor: Actor): Promise<EncodedText | undefined>
  /** As `of`, for several events, in their order; their messages are read together. */
  ofAll(events: readonly Event[], actor: Actor): Promise<readonly (EncodedText | undefined)[]>
  /** Estimates the bytes of each text, without loading messages. */
  sizesOf(events: readonly Event[]): Promise<readonly number[]>
}

interface EventJsonNeeds {
  readonly eventSubjects: EventSubjects
  readonly limits: Limits
}

export function createEventJson({ eventSubjects, limits }: EventJsonNeeds): EventJson {
  /**
   * Keyed by the id of the event and the version of its subject: the text depends on nothing else. Not by its number, which belongs to
   * another event, perhaps of another tenant, after a backup was restored (docs/adr/0020).
   */
  const cached = new BoundedCache<string, EncodedText>({
    countMax: limits.events.jsonCachedMax,
    bytesMax: limits.events.jsonCachedBytesMax,
  })

  const { frameBytesMax } = limits.sockets

  return {
    async of(event, actor) {
      const subject = await eventSubjects.of(event, actor, frameBytesMax)
      return subject && textOf(event, subject)
    },

    async ofAll(events, actor) {
      const subjects = await eventSubjects.ofAll(events, actor, frameBytesMax)
      return events.map((event, index) => subjects[index] && textOf(event, subjects[index]))
    },

    sizesOf: (events) => eventSubjects.sizesOf(events, frameBytesMax),
  }

  function textOf(event: Event, subject: EventSubject): EncodedText | undefined {
    const key = `${event.eventId} ${subject.version}`
    const known = cached.get(key)
    if (known) return known
    const rendered = renderEvent(event, subject)
    if (!rendered) return undefined
    const frame = eventFrame({ ...rendered, cursor: event.cursor }, frameBytesMax, subject.isWithoutBodies)
    const text = new EncodedText(frame)
    cached.set(key, text, text.bytes)
    return text
  }
}
