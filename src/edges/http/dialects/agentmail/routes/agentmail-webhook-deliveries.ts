/** Delivery routes of a webhook: list deliveries and attempts, redeliver one, replay many, send a test request. */
import { Type } from 'typebox'
import type { WebhookTests } from '../../../../../mail/webhooks/delivery/test-request.ts'
import type { WebhookDeliveryLog } from '../../../../../mail/webhooks/delivery/webhook-delivery-log.ts'
import type { Replays } from '../../../../../mail/webhooks/replay/replays.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { readPage } from '../query-parameters.ts'
import { paramsOf, type ScopeRoute, scopeRoutes, withinOf } from '../scope-routes.ts'
import { ok } from '../wire/shape-wire.ts'
import {
  Delivery,
  DeliveryList,
  delivery,
  deliveryList,
  deliveryQuery,
  Replay,
  RequestReplay,
  readDeliveryFilter,
  readDeliveryId,
  readReplay,
  replay,
  TestOutcome,
  testOutcome,
} from '../wire/webhook-delivery-wire.ts'
import { readWebhookId } from '../wire/webhook-wire.ts'

const tags = ['Webhooks']

export interface WebhookDeliveryNeeds extends Pick<HttpContext, 'longPolls'> {
  readonly webhookDeliveryLog: WebhookDeliveryLog
  readonly replays: Replays
  readonly webhookTestRequests: WebhookTests
}

export function webhookDeliveryRoutes(app: HttpApp, needs: WebhookDeliveryNeeds): void {
  for (const scopeRoute of Object.values(scopeRoutes)) addRoutes(app, scopeRoute, needs)
}

function addRoutes(
  app: HttpApp,
  scopeRoute: ScopeRoute,
  { webhookDeliveryLog, replays, webhookTestRequests, longPolls }: WebhookDeliveryNeeds,
): void {
  const webhookPath = `${scopeRoute.path}/webhooks/:webhook_id`
  const webhook_id = Type.String({ description: 'Id or client_id.' })
  const params = paramsOf<{ webhook_id: string }>(scopeRoute, { webhook_id })
  const ofOne = paramsOf<{ webhook_id: string; delivery_id: string }>(scopeRoute, {
    webhook_id,
    delivery_id: Type.String({ description: 'Id.' }),
  })

  const list = {
    tags,
    isOurs: true,
    summary: 'List the deliveries of a webhook with their attempts, newest event first',
    params,
    querystring: Type.Object(deliveryQuery),
    response: ok(DeliveryList),
  }
  app.get(
    `${webhookPath}/deliveries`,
    { schema: list, config: access('webhook_read', scopeRoute) },
    async ({ actor, params, query }) => {
      const ref = readWebhookId(params.webhook_id)
      return deliveryList(
        await webhookDeliveryLog.list(actor, withinOf(params), ref, readDeliveryFilter(query), readPage(query)),
      )
    },
  )

  const get = {
    tags,
    isOurs: true,
    summary: 'Get a delivery with its request body',
    params: ofOne,
    response: ok(Delivery),
  }
  app.get(
    `${webhookPath}/deliveries/:delivery_id`,
    { schema: get, config: access(['webhook_read', 'message_read'], scopeRoute) },
    async ({ actor, params }) => {
      const id = readDeliveryId(params.delivery_id)
      return delivery(await webhookDeliveryLog.get(actor, withinOf(params), readWebhookId(params.webhook_id), id))
    },
  )

  const again = {
    tags,
    isOurs: true,
    summary: 'Send a delivery again, with the same id and bytes',
    params: ofOne,
    response: ok(Delivery),
    errors: ['webhook_disabled', 'event_not_told'] as const,
  }
  app.post(
    `${webhookPath}/deliveries/:delivery_id/redeliver`,
    { schema: again, config: access('webhook_update', scopeRoute) },
    async ({ actor, params }) => {
      const id = readDeliveryId(params.delivery_id)
      return delivery(await webhookDeliveryLog.redeliver(actor, withinOf(params), readWebhookId(params.webhook_id), id))
    },
  )

  const many = {
    tags,
    isOurs: true,
    summary: 'Send the events of a time range, whether or not they were sent before',
    params,
    body: RequestReplay,
    response: ok(Replay),
    errors: ['range_expired', 'replay_too_wide', 'replay_running', 'webhook_disabled', 'too_many_at_once'] as const,
    rules: ['start must be before end', 'A replay can have at most … events; …', 'Unknown event type …'],
  }
  app.post(
    `${webhookPath}/replay`,
    { schema: many, config: access('webhook_update', scopeRoute) },
    async ({ actor, params, body }, reply) => {
      const end = longPolls.begin(reply, actor.apiKeyId, 0)
      const ref = readWebhookId(params.webhook_id)
      return replay(await replays.replay(actor, withinOf(params), ref, readReplay(body), end))
    },
  )

  const test = {
    tags,
    isOurs: true,
    summary: 'Send a signed webhook.test event now, and return the response',
    params,
    response: ok(TestOutcome),
    errors: ['too_many_at_once'] as const,
  }
  app.post(
    `${webhookPath}/test`,
    { schema: test, config: access('webhook_update', scopeRoute) },
    async ({ actor, params }) =>
      testOutcome(await webhookTestRequests.test(actor, withinOf(params), readWebhookId(params.webhook_id))),
  )
}
