/**
 * The WebSocket at `/ws?token=`: subscribe → subscribed → events, and errors as frames (docs/compatibility/agentpost.md).
 *
 * Several subscribes add up. The server sends `{"type":"ping"}` from time to time; clients may answer with a pong, and
 * nobody has to. Martlet's own addition: each event comes with its `cursor`, and subscribe accepts `after`, so that a client
 * that reconnects gets the events that it missed.
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
import { readEventTypes } from '../../../../../mail/events/log/seven-types.ts'
import type { Metrics } from '../../../../../metrics.ts'
import { ignoredMembers } from '../../../live/subscribe-members.ts'
import { serveWebSocket, type WebSocketSession } from '../../../live/websocket-session.ts'
import type { SocketContext } from '../../../server/http-dialect.ts'
import { renderErrorFrame } from '../agentpost-errors.ts'
import { readId, readInboxId } from '../prefixed-ids.ts'
import { readTexts, TextOrList } from '../wire/agentpost-shape-wire.ts'
import type { EventFrame } from './agentpost-event-json.ts'

interface SocketNeeds {
  readonly feed: Feed
  readonly eventFrame: EventFrame
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

const members = {
  event_types: Type.Optional(TextOrList),
  inbox_id: Type.Optional(Type.String()),
  environment_ids: Type.Optional(TextOrList),
  after: Type.Optional(Type.String()),
}
/**
 * The arguments of the service's package. Whether it sends them under the names above is not documented, and a socket without its
 * filters would get everything.
 */
const synonyms = { events: members.event_types, environmentIds: members.environment_ids }
const Subscribe = Type.Object({ type: Type.Literal('subscribe'), ...members, ...synonyms })
const subscribe = Compile(Subscribe)

/** @returns a function that serves one socket until it closes */
export function agentPostSocket(needs: SocketNeeds) {
  return (socket: WebSocket, actor: KeyActor, context: SocketContext) => {
    const render = (event: Event) => needs.eventFrame(event, actor)
    const heartbeat = { type: 'ping' }
    return serveWebSocket({ ...needs, ...context, socket, actor, onFrame, renderError: renderErrorFrame, heartbeat })

    async function onFrame(frame: object, session: WebSocketSession): Promise<void> {
      const { type } = frame as { type?: unknown }
      if (type === 'pong') return
      if (type === 'ping') return session.send({ type: 'pong' })
      const { event_types, inbox_id, environment_ids, after, warning } = readSubscribe(frame)
      const eventFilter = {
        ...readEventTypes(readTexts(event_types)),
        inboxIds: inbox_id === undefined ? undefined : [readInboxId(inbox_id)],
        onlyPodIds: readTexts(environment_ids)?.map((id) => readId('env', id)),
        after,
      }
      const given = { event_types, inbox_id, environment_ids }
      const acknowledge = (cursor: string) => ({ type: 'subscribed', ...given, cursor, warning })
      await session.add(eventFilter, acknowledge, render)
    }
  }
}

function readSubscribe(frame: object) {
  const given = Object.fromEntries(Object.entries(frame).filter(([, value]) => value !== null))
  if (!subscribe.Check(given)) {
    const detail =
      'Clients may send {"type":"subscribe"} frames, with arrays of texts in event_types and environment_ids, a text in inbox_id and a cursor in after; and {"type":"pong"}'
    throw new MailError('validation_error', { detail })
  }
  const { events, environmentIds, ...others } = given
  return {
    ...others,
    event_types: namedOf(given.event_types, events),
    environment_ids: namedOf(given.environment_ids, environmentIds),
    warning: ignoredMembers(others, Object.keys(members)),
  }
}

/** An empty list means that a client named nothing: the synonym is used then. */
function namedOf(texts: Static<typeof TextOrList> | undefined, synonym: Static<typeof TextOrList> | undefined) {
  return texts?.length ? texts : (synonym ?? texts)
}
