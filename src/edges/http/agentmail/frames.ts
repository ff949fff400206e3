/**
 * Events as this dialect's JSON, the same text wherever it is told: in a frame of a WebSocket, in a page, in a stream.
 */
import type { Limits } from '../../../limits.ts'
import type { Event } from '../../../mail/events/event.ts'
import type { News } from '../../../mail/messages/news.ts'
import { renderEvent } from './wire/event.ts'
import { eventFrame } from './wire/event-frame.ts'

/** One JSON object on one line; undefined for an event that has no form in this dialect. */
export type Frames = (event: Event) => Promise<string | undefined>

export function createFrames({ news, limits }: { news: News; limits: Limits }): Frames {
  const frames = new WeakMap<Event, Promise<string | undefined>>()

  /** Once an event, however many sockets and streams of this process are told of it. */
  return (event) => {
    const known = frames.get(event)
    if (known) return known
    const frame = write(event)
    frames.set(event, frame)
    frame.catch(() => frames.delete(event)) // who asked is told of the failure; whoever comes back reads again
    return frame
  }

  async function write(event: Event): Promise<string | undefined> {
    const rendered = renderEvent(event, await news.of(event))
    return rendered && eventFrame({ ...rendered, cursor: event.cursor }, limits.socketFrameBytesMax)
  }
}
