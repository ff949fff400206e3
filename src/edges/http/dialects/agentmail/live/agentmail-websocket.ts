/**
 * The WebSocket at `/v0`: subscribe → subscribed → events, and errors as frames (docs/compatibility/agentmail.md).
 *
 * No event is sent before a subscribe; a second one replaces the first. Martlet's own addition: each event contains its
 * `cursor`, and subscribe accepts `after`, so that a client that reconnects gets the events that it missed.
 */
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { WebSocket } from 'ws'
import type { Limits } from '../../../../../config/limits.ts'
import { MailError } from '../../../../../errors.ts'
import type { Log } from '../../../../../log.ts'
import type { KeyActor } from '../../../../../mail/access/actor.ts'
import type { Feed } from '../../../../../mail/events/feed/feed.ts'
import type { Event } from '../../../../../mail/events/log/event.ts'
import type { Metrics } from '../../../../../metrics.ts'
import { serveWebSocket, type WebSocketSession } from '../../../live/websocket-session.ts'
import type { SocketContext } from '../../../server/http-dialect.ts'
import { renderErrorFrame } from '../agentmail-errors.ts'
import type { EventJson } from './event-json.ts'

interface SocketNeeds {
  readonly feed: Feed
  readonly eventJson: EventJson
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

const Ids = Type.Optional(Type.Array(Type.String()))

const Subscribe = Type.Object({
  type: Type.Literal('subscribe'),
  event_types: Ids,
  inbox_ids: Ids,
  pod_ids: Ids,
  after: Type.Optional(Type.String()),
})
const subscribe = Compile(Subscribe)

/** @returns a function that serves one socket until it closes */
export function agentMailSocket(needs: SocketNeeds) {
  return (socket: WebSocket, actor: KeyActor, context: SocketContext) => {
    const render = (event: Event) => needs.eventJson.of(event, actor)
    return serveWebSocket({ ...needs, ...context, socket, actor, onFrame, renderError: renderErrorFrame })

    async function onFrame(frame: object, session: WebSocketSession): Promise<void> {
      const { event_types, inbox_ids, pod_ids, after } = readSubscribe(frame)
      const eventFilter = { eventTypes: event_types, inboxIds: inbox_ids, podIds: pod_ids, after }
      const acknowledge = (cursor: string) => ({ type: 'subscribed', event_types, inbox_ids, pod_ids, cursor })
      await session.subscribe(eventFilter, acknowledge, render)
    }
  }
}

function readSubscribe(frame: object): Static<typeof Subscribe> {
  const given = Object.fromEntries(Object.entries(frame).filter(([, value]) => value !== null))
  if (subscribe.Check(given)) return given
  const detail =
    'Clients may send only {"type":"subscribe"} frames, with arrays of strings in event_types, inbox_ids and pod_ids, and a cursor in after'
  throw new MailError('validation_error', { detail })
}
