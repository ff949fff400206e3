/**
 * Event routes. Martlet's own addition: pages of the event log, optionally as long polls, with the same events, cursors
 * and JSON as on the WebSocket. AgentMail's: the history of label changes of an inbox.
 */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { EventPages, EventRenderer } from '../../../../../mail/events/history/event-pages.ts'
import type { LabelLog } from '../../../../../mail/events/history/label-log.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { readTime } from '../../../server/requests/read-time.ts'
import { access } from '../../../server/route-access.ts'
import type { EventJson } from '../live/event-json.ts'
import {
  eventFilterQuery,
  eventFilterRules,
  INTEGER_MAX,
  pageQuery,
  readEventFilter,
  readPage,
} from '../query-parameters.ts'
import { EventList, eventList } from '../wire/event-list-wire.ts'
import { InboxEventList, inboxEventList } from '../wire/inbox-event-wire.ts'
import { timeText } from '../wire/request-texts.ts'
import { ok } from '../wire/shape-wire.ts'

interface EventNeeds extends HttpContext {
  readonly eventPages: EventPages
  readonly labelLog: LabelLog
  readonly eventJson: EventJson
  readonly limits: Limits
}

const listLabels = {
  tags: ['Events'],
  summary: 'List the label changes of an inbox, newest first',
  params: Type.Object({ inbox_id: Type.String({ description: 'Address.' }) }),
  querystring: Type.Object(pageQuery),
  response: ok(InboxEventList),
}

export function eventRoutes(app: HttpApp, needs: EventNeeds): void {
  const { eventPages, labelLog, eventJson, limits, longPolls, responses } = needs
  const list = {
    tags: ['Events'],
    summary: 'List events, oldest first; with `wait_seconds` the response waits for the first one',
    querystring: Type.Object({
      ...eventFilterQuery,
      after: Type.Optional(Type.String({ description: 'A cursor, `earliest` (the default) or `latest`.' })),
      start: Type.Optional(timeText('ISO 8601, inclusive.')),
      end: Type.Optional(timeText('ISO 8601, exclusive.')),
      limit: Type.Optional(
        Type.Integer({
          minimum: 1,
          description: 'Events per page; reduced to the maximum if it is larger.',
          rule: { maximum: INTEGER_MAX },
        }),
      ),
      wait_seconds: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: limits.events.waitMsMax / 1_000,
          description: 'How long to wait if there is no event yet.',
        }),
      ),
    }),
    response: { 200: Type.Unsafe<Buffer>(EventList) },
    isOurs: true,
    errors: ['cursor_expired', 'not_found', 'too_many_connections'] as const,
    rules: [...eventFilterRules, 'The cursor is invalid', 'start must be before end'],
  }

  app.get(
    '/events',
    { schema: list, config: access('message_read'), exposeHeadRoute: false },
    async (request, reply) => {
      const { actor, query } = request
      const { after, limit, wait_seconds = 0 } = query
      const times = { start: readTime('start', query.start), end: readTime('end', query.end) }
      const wanted = { ...readEventFilter(query), ...times, after, limit }
      const renderer: EventRenderer = {
        sizesOf: (events) => eventJson.sizesOf(events),
        render: async (events) => (await eventJson.ofAll(events, actor)).map((text) => text?.buffer),
      }
      const wait = longPolls.begin(reply, actor.apiKeyId, wait_seconds * 1_000)
      const page = await eventPages.read(actor, wanted, renderer, wait, responses.memoryOf(request, reply))
      return reply.type('application/json; charset=utf-8').send(eventList(page))
    },
  )

  app.get(
    '/inboxes/:inbox_id/events',
    { schema: listLabels, config: access('message_read') },
    async ({ actor, params, query }) => inboxEventList(await labelLog.list(actor, params.inbox_id, readPage(query))),
  )
}
