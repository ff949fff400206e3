/**
 * A profile: which service's webhooks these are. Services differ in what a body looks like, how it is signed, how long an
 * answer may take and when a failed request is repeated; all of that is data of a profile, made by the dialect that speaks
 * that service's words and handed in by main.ts.
 */
import type { KeyActor } from '../access/actor.ts'
import type { Event } from '../events/event.ts'

/**
 * Renders the body that a webhook is sent for an event: before the first attempt, once for all webhooks that may see the same.
 * Retries send the same bytes.
 *
 * @param reader the key that the webhook acts for
 * @returns undefined when the event has no form in the dialect, or must not be sent to this reader
 */
export type EventRenderer = (event: Event, reader: KeyActor) => Promise<string | undefined>

export interface WebhookProfile {
  /** In the webhook's row: never changed, never used for another one. */
  readonly name: string
  readonly render: EventRenderer
  /** A secret for a new webhook. */
  readonly makeSecret: (random: (bytes: number) => Buffer) => string
  /** The body of a test request: an event that no receiver takes for news. */
  readonly renderTest: (about: { readonly eventId: string; readonly webhookId: string; readonly at: number }) => string
  /** Whether a text is a secret as these are. */
  readonly isSecret: (text: string) => boolean
  /** Header fields of one attempt, the signature among them. */
  readonly headers: (attempt: Attempt) => Readonly<Record<string, string>>
  /** For the whole of an attempt. */
  readonly timeoutMs: number
  /** Waits before the second attempt, the third, and so on; after the last one it is given up. */
  readonly retryAfterMs: readonly number[]
}

/** What a signature is made of. */
export interface Attempt {
  readonly eventId: string
  /** Epoch ms, of this attempt. */
  readonly at: number
  readonly body: string
  /** The webhook's, and those before it whose time is not over; the newest first. */
  readonly secrets: readonly string[]
}

/** @throws Error for a name that no profile has: the row was written by a newer version */
export function requireProfile(profiles: readonly WebhookProfile[], name: string): WebhookProfile {
  const profile = profiles.find((each) => each.name === name)
  if (!profile) throw new Error(`there is no webhook profile "${name}" in this version`)
  return profile
}
