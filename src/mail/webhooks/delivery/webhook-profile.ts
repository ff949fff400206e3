/**
 * A profile describes the webhooks of one service. Services differ in the form of a body, its signature, the timeout of
 * a request, the retry schedule, and when a webhook that fails is disabled. A profile defines all of these; the dialect
 * of the service creates it. A webhook belongs to the profile with which it was created, and only that dialect shows it.
 */
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { KeyActor } from '../../access/actor.ts'
import type { Event } from '../../events/log/event.ts'

/**
 * Renders the body for an event: before the first attempt, and once for all webhooks that may see the same data. Retries
 * send the same bytes.
 *
 * @param actor the key that the webhook acts for
 * @returns undefined if the dialect cannot represent the event, or it must not be sent to this actor
 */
export type EventRenderer = (event: Event, actor: KeyActor) => Promise<string | undefined>

export interface WebhookProfile {
  /** Stored in the webhook's row: never change it, and never reuse it for another profile. */
  readonly name: string
  readonly render: EventRenderer
  /** Makes a secret for a new webhook. */
  readonly makeSecret: (random: (bytes: number) => Buffer) => string
  /** Renders the body of a test request: an event that receivers do not mistake for a real one. `at`: epoch ms. */
  readonly renderTest: (about: { readonly eventId: string; readonly webhookId: string; readonly at: number }) => string
  /** Whether a text has the form of this service's secrets. */
  readonly isSecret: (text: string) => boolean
  /** That form, as a sentence without a full stop. */
  readonly secretForm: string
  /** Header fields of one attempt, the signature included. */
  readonly headers: (request: RequestToSign) => Readonly<Record<string, string>>
  /** Limit for the whole attempt. */
  readonly timeoutMs: number
  /** Waits before the second attempt, the third, and so on; after the last one the delivery is given up. */
  readonly retryAfterMs: readonly number[]
  /** Waits that follow for a webhook with long retries; missing: the service has no such option. */
  readonly longRetryAfterMs?: readonly number[]
  /**
   * Failed attempts without a success in between, of any events, after which a webhook is disabled. Missing: only time
   * counts (webhook-health.ts).
   */
  readonly failuresMax?: number
}

/** Returns the retry schedule of a webhook. */
export function retriesOf(profile: WebhookProfile, webhook: Pick<WebhookRow, 'has_long_retries'>): readonly number[] {
  const { retryAfterMs, longRetryAfterMs = [] } = profile
  return webhook.has_long_retries === 1 ? [...retryAfterMs, ...longRetryAfterMs] : retryAfterMs
}

/** Input of a signature. */
export interface RequestToSign {
  readonly eventId: string
  /** Epoch ms, of this attempt. */
  readonly at: number
  readonly body: string
  /** The webhook's secret, and earlier ones that have not expired; newest first. */
  readonly secrets: readonly string[]
}

/** @throws Error for a name that no profile has: the row was written by a newer version */
export function requireProfile(profiles: readonly WebhookProfile[], name: string): WebhookProfile {
  const profile = profiles.find((each) => each.name === name)
  if (!profile) throw new Error(`this version has no webhook profile "${name}"`)
  return profile
}
