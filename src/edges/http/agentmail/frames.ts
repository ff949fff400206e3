/**
 * Events as this dialect's JSON, the same text everywhere: in a frame of a WebSocket, in a page, in an event stream.
 * Each text is rendered once for all readers who may see the same, and kept for a while for the next readers.
 */
import type { Limits } from '../../../limits.ts'
import type { Actor } from '../../../mail/access/actor.ts'
import type { Event } from '../../../mail/events/event.ts'
import { Recent } from '../../../mail/events/recent.ts'
import type { EventSubject, News } from '../../../mail/messages/news.ts'
import { EncodedText } from '../encoded-text.ts'
import { renderEvent } from './wire/event.ts'
import { eventFrame } from './wire/event-frame.ts'

/**
 * Renders an event for a reader as one JSON object on one line.
 *
 * @returns undefined for an event that has no form in this dialect
 */
export type Frames = (event: Event, reader: Actor) => Promise<EncodedText | undefined>

interface FramesNeeds {
  readonly news: News
  readonly limits: Pick<Limits, 'socketFrameBytesMax' | 'framesKeptMax' | 'framesKeptBytesMax'>
}

export function createFrames({ news, limits }: FramesNeeds): Frames {
  /**
   * By event and subject, since a text is made of nothing else: readers who may see different things have different
   * subjects.
   */
  const recent = new Recent<string, EncodedText>({
    countMax: limits.framesKeptMax,
    bytesMax: limits.framesKeptBytesMax,
  })
  const numbers = new WeakMap<EventSubject, number>()
  let lastNumber = 0
  // All subscribers get the same event object from the feed: for them its message is read once. Only its text is kept
  // for those that are slower, as long as there is room: messages would fill the memory.
  const keys = new WeakMap<Event, string>()
  const underWay = new WeakMap<Event, Promise<EncodedText | undefined>>()

  return async (event) => {
    const key = keys.get(event)
    const kept = key === undefined ? undefined : recent.get(key)
    return kept ?? underWay.get(event) ?? begin(event)
  }

  function begin(event: Event): Promise<EncodedText | undefined> {
    const text = make(event).finally(() => underWay.delete(event)) // also after a failure: the next reader tries again
    underWay.set(event, text)
    return text
  }

  async function make(event: Event): Promise<EncodedText | undefined> {
    const subject = await news.of(event)
    keys.set(event, keyOf(event, subject))
    return textOf(event, subject)
  }

  function textOf(event: Event, subject: EventSubject): EncodedText | undefined {
    const key = keyOf(event, subject)
    const known = recent.get(key)
    if (known) return known
    const rendered = renderEvent(event, subject)
    if (!rendered) return undefined
    const text = new EncodedText(eventFrame({ ...rendered, cursor: event.cursor }, limits.socketFrameBytesMax))
    recent.set(key, text, text.bytes)
    return text
  }

  function keyOf(event: Event, subject: EventSubject): string {
    const number = numbers.get(subject) ?? ++lastNumber
    numbers.set(subject, number)
    return `${event.seq} ${number}`
  }
}
