/**
 * Sends a test request to a webhook, so that a caller can see whether the receiver accepts it. The event is not logged
 * and bypasses the queue, but it is signed like any other. There is one attempt; its result is returned to the caller,
 * is not stored, and does not affect the webhook's health.
 *
 * It is limited like every request to an untrusted URL (net/fetch/safe-fetch.ts). The number of concurrent ones per node
 * is limited too, and divided among pods and organizations: their receivers may be slow (jobs/capacity-shares.ts).
 */

import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { SafeFetch } from '../../../net/fetch/safe-fetch.ts'
import type { Store } from '../../../store/store.ts'
import { assertKeyUnchanged } from '../../access/access.ts'
import type { Actor, Within } from '../../access/actor.ts'
import { CapacityShares } from '../../jobs/capacity-shares.ts'
import { requireWebhook } from '../config/webhook-lookup.ts'
import type { WebhookProfile } from './webhook-profile.ts'
import { postToWebhook, storedResult } from './webhook-request.ts'

/** Result of a test request. */
export interface TestResult {
  readonly hasSucceeded: boolean
  readonly code?: number
  readonly response?: string
  readonly error?: string
  readonly durationMs: number
}

export interface WebhookTests {
  /**
   * Sends a synthetic event at once, with one attempt, signed like any other; also to a disabled webhook.
   *
   * @throws too_many_at_once
   */
  test(actor: Actor, within: Within, ref: string): Promise<TestResult>
}

interface WebhookTestsNeeds {
  readonly store: Store
  /** The profile whose webhooks it finds. */
  readonly profile: WebhookProfile
  readonly fetch: SafeFetch['fetch']
  readonly clock: () => number
  readonly newEventId: () => string
  readonly limits: Limits
}

export function createWebhookTests({
  store,
  profile,
  fetch,
  clock,
  newEventId,
  limits,
}: WebhookTestsNeeds): WebhookTests {
  const shares = new CapacityShares(limits.webhooks.testsMax)

  return {
    async test(actor, within, ref) {
      const webhook = await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        return (await requireWebhook(tx, actor, 'webhook_update', { within, ref, profile: profile.name })).row
      })
      const owner = { organizationId: webhook.organization_id, podId: webhook.pod_id }
      if (shares.capacity(owner) === 0) {
        throw new MailError('too_many_at_once', { what: 'test requests', max: limits.webhooks.testsMax })
      }
      shares.add(owner, 1)
      try {
        const at = clock()
        const eventId = newEventId()
        const body = profile.renderTest({ eventId, webhookId: webhook.id, at })
        const answered = await postToWebhook(webhook, { eventId, body, at }, { profile, fetch })
        const { code, response, error } = storedResult(answered, limits)
        return {
          hasSucceeded: code !== undefined && code >= 200 && code < 300,
          ...(code !== undefined && { code }),
          ...(response !== undefined && { response }),
          ...(error !== undefined && { error }),
          durationMs: clock() - at,
        }
      } finally {
        shares.add(owner, -1)
      }
    },
  }
}
