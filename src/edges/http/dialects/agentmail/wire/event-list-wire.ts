/** A page of events (docs/compatibility/agentmail.md). */
import { Type } from 'typebox'
import type { EventPage } from '../../../../../mail/events/history/event-pages.ts'

const Event = Type.Object(
  {
    type: Type.Literal('event'),
    event_type: Type.String(),
    event_id: Type.String({ description: 'The same wherever the event is sent.' }),
    cursor: Type.String({ description: 'What follows it is what its holder has not heard.' }),
  },
  { description: 'The frame of a WebSocket, byte for byte.' },
)

export const EventList = Type.Object({
  count: Type.Integer({ description: 'Events in this page.' }),
  events: Type.Array(Event),
  cursor: Type.String({ description: 'Give it as `after`. Unchanged where nothing more is there.' }),
})

/** Joins text: the events are JSON already, and must be the same text as in WebSocket frames. */
export function eventList({ texts, cursor }: EventPage): string {
  return `{"count":${texts.length},"events":[${texts.join(',')}],"cursor":${JSON.stringify(cursor)}}`
}
