/**
 * The WebSocket at `/v0`: subscribe → subscribed → events, and errors as frames (docs/compatibility/agentmail.md).
 *
 * No event is sent before a subscribe; a second one replaces the first. Martlet's own addition: each event contains its
 * `cursor`, and subscribe accepts `after`, so that a client that reconnects gets the events that it missed.
 */
import type { WebSocket } from 'ws'
import type { Limits } from '../../../../../config/limits.ts'
import type { Log } from '../../../../../log.ts'
import type { KeyActor } from '../../../../../mail/access/actor.ts'
import type { Feed } from '../../../../../mail/events/feed/feed.ts'
import type { Event } from '../../../../../mail/events/log/event.ts'
import type { Metrics } from '../../../../../metrics.ts'
import { serveWebSocket, type WebSocketSession } from '../../../live/websocket-session.ts'
import type { SocketContext } from '../../../server/http-dialect.ts'
import { renderErrorFrame } from '../agentmail-errors.ts'
import type { EventJson } from './event-json.ts'
import { readSubscribe } from './subscribe-frame.ts'

interface SocketNeeds {
  readonly feed: Feed
  readonly eventJson: EventJson
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

/** @returns a function that serves one socket until it closes */
export function agentMailSocket(needs: SocketNeeds) {
  return (socket: WebSocket, actor: KeyActor, context: SocketContext) => {
    const render = (event: Event) => needs.eventJson.of(event, actor)
    return serveWebSocket({ ...needs, ...context, socket, actor, onFrame, renderError: renderErrorFrame })

    async function onFrame(frame: object, session: WebSocketSession): Promise<void> {
      const { event_types, inbox_ids, pod_ids, after, warning } = readSubscribe(frame)
      const eventFilter = { eventTypes: event_types, inboxIds: inbox_ids, podIds: pod_ids, after }
      const given = { event_types, inbox_ids, pod_ids }
      const acknowledge = (cursor: string) => ({ type: 'subscribed', ...given, cursor, warning })
      await session.subscribe(eventFilter, acknowledge, render)
    }
  }
}
