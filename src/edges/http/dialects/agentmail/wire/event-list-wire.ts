/** A page of events (docs/compatibility/agentmail.md). */
import { Type } from 'typebox'
import type { EventPage } from '../../../../../mail/events/history/event-pages.ts'
import { named } from './shape-wire.ts'

const Event = named(
  'Event',
  {
    type: Type.Literal('event'),
    event_type: Type.String(),
    event_id: Type.String({ description: 'The same on the WebSocket, in streams and in webhooks.' }),
    cursor: Type.String({ description: 'Position in the log: send it as `after` to get the events that follow.' }),
  },
  { description: 'The same bytes as the frame on a WebSocket.' },
)

export const EventList = named('ListEventsResponse', {
  count: Type.Integer({ description: 'Events in this page.' }),
  events: Type.Array(Event),
  cursor: Type.String({ description: 'Send it as `after` to continue. It is unchanged if there are no more events.' }),
})

const COMMA = Buffer.from(',')

/** Joins bytes: the events are already JSON, and are the same text as in WebSocket frames. */
export function eventList({ texts, cursor }: EventPage): Buffer {
  return Buffer.concat([
    Buffer.from(`{"count":${texts.length},"events":[`),
    ...texts.flatMap((text, index) => (index === 0 ? [text] : [COMMA, text])),
    Buffer.from(`],"cursor":${JSON.stringify(cursor)}}`),
  ])
}
