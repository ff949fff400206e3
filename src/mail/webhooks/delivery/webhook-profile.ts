/**
 * A profile describes the webhooks of one service. Services differ in the form of a body, its signature, the timeout of
 * a request and the retry schedule. A profile defines all of these; the dialect of the service creates it.
 */
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
  /** Header fields of one attempt, the signature included. */
  readonly headers: (request: RequestToSign) => Readonly<Record<string, string>>
  /** Limit for the whole attempt. */
  readonly timeoutMs: number
  /** Waits before the second attempt, the third, and so on; after the last one the delivery is given up. */
  readonly retryAfterMs: readonly number[]
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
