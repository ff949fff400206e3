/** Server-sent events, Martlet's own addition: the events of the WebSocket, for browsers and line-based clients. */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { Log } from '../../../../../log.ts'
import type { Credentials } from '../../../../../mail/access/keys/credentials.ts'
import type { Feed } from '../../../../../mail/events/feed/feed.ts'
import type { Metrics } from '../../../../../metrics.ts'
import { answerWithRetry, openEventStream } from '../../../live/sse.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { authenticateHeaderOrQuery } from '../../../server/requests/http-credentials.ts'
import { access, requireKey } from '../../../server/route-access.ts'
import { renderErrorFrame } from '../agentmail-errors.ts'
import { eventFilterQuery, eventFilterRules, readEventFilter } from '../query-parameters.ts'
import type { EventJson } from './event-json.ts'

interface StreamNeeds extends HttpContext {
  readonly credentials: Pick<Credentials, 'authenticate'>
  readonly feed: Feed
  readonly eventJson: EventJson
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

const stream = {
  tags: ['Events'],
  summary: 'Stream events as server-sent events',
  description:
    'A `text/event-stream` of the events that a WebSocket with the same filters receives, each with its cursor as `id`. ' +
    'The stream starts with `event: subscribed`. `event: end` and `event: cursor_expired` say why a stream ends.',
  response: { 200: Type.String({ description: 'The stream.', contentMediaType: 'text/event-stream' }) },
  isOurs: true,
  errors: ['cursor_expired', 'not_found', 'too_many_connections'] as const,
  rules: [...eventFilterRules, 'The cursor is invalid'],
  headerFields: Type.Object({
    'Last-Event-ID': Type.Optional(
      Type.String({ description: 'The cursor of the last event that was received.', maxLength: 1_000 }),
    ),
  }),
  querystring: Type.Object({
    ...eventFilterQuery,
    after: Type.Optional(
      Type.String({
        description:
          'A cursor, `earliest` or `latest` (the default: only new events). `Last-Event-ID` takes precedence.',
      }),
    ),
    api_key: Type.Optional(
      Type.String({ description: 'For browsers, whose EventSource cannot send `Authorization`.' }),
    ),
  }),
}

/** Register this route in a separate scope, because it accepts the key in the URL. */
export function streamRoute(app: HttpApp, needs: StreamNeeds): void {
  const { credentials, feed, eventJson, limits, log, metrics, streams, budget, pacer } = needs
  requireKey(app, (request) => authenticateHeaderOrQuery(credentials, request.raw, 'api_key'))
  app.setErrorHandler((error, request, reply) => {
    if (!answerWithRetry(error, request, reply, limits)) throw error
  })

  app.get(
    '/events/stream',
    { schema: stream, config: access('message_read'), exposeHeadRoute: false },
    async (request, reply) => {
      const { actor, query } = request
      const { event_types, inbox_ids, pod_ids } = query
      const finish = await openEventStream({
        request,
        reply,
        actor,
        feed,
        streams,
        budget,
        pacer,
        limits,
        log,
        metrics,
        eventFilter: { ...readEventFilter(query), after: query.after },
        acknowledgement: { type: 'subscribed', event_types, inbox_ids, pod_ids },
        render: (event) => eventJson.of(event, actor),
        renderError: renderErrorFrame,
      })
      if (finish) streams.add(reply, finish)
      return reply
    },
  )
}
