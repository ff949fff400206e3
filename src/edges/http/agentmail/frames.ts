/**
 * Events as this dialect's JSON, the same text wherever it is told: in a frame of a WebSocket, in a page, in a stream.
 */
import type { Limits } from '../../../limits.ts'
import type { Actor } from '../../../mail/access/actor.ts'
import type { Event } from '../../../mail/events/event.ts'
import type { EventSubject, News } from '../../../mail/messages/news.ts'
import { renderEvent } from './wire/event.ts'
import { eventFrame } from './wire/event-frame.ts'

/**
 * Renders an event as one JSON object on one line. Call it for each reader just before sending: what a reader may see changes
 * when a message is hidden. Readers who may see the same get the same string.
 *
 * @returns undefined for an event that has no form in this dialect, or that must not be sent to this reader
 */
export type Frames = (event: Event, reader: Actor) => Promise<string | undefined>

export function createFrames({ news, limits }: { news: News; limits: Limits }): Frames {
  /** Each text is made once, however many sockets and streams of this process it is sent to. */
  const frames = new WeakMap<Event, WeakMap<EventSubject, string | undefined>>()

  return async (event, reader) => {
    const subject = await news.of(event, reader)
    if (!subject) return undefined
    const written = frames.get(event) ?? new WeakMap<EventSubject, string | undefined>()
    frames.set(event, written)
    if (!written.has(subject)) written.set(subject, write(event, subject))
    return written.get(subject)
  }

  function write(event: Event, subject: EventSubject): string | undefined {
    const rendered = renderEvent(event, subject)
    return rendered && eventFrame({ ...rendered, cursor: event.cursor }, limits.socketFrameBytesMax)
  }
}
