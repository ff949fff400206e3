/**
 * Renders and signs webhook requests as receivers of AgentMail's webhooks expect them
 * (docs/compatibility/agentmail.md): the events of the WebSocket as bodies, signed for the `svix` package and, with the
 * same signature, for Standard Webhooks.
 */
import type { Limits } from '../../../../config/limits.ts'
import { formatSecret, isSecret, signWebhook } from '../../../../formats/webhook-signature.ts'
import type { EventSubjects } from '../../../../mail/messages/views/event-subject.ts'
import type { WebhookProfile } from '../../../../mail/webhooks/delivery/webhook-profile.ts'
import { eventFrame } from './wire/event-frame-wire.ts'
import { renderEvent } from './wire/event-wire.ts'
import { time } from './wire/shape-wire.ts'
import { shownWebhookId } from './wire/webhook-wire.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

const SECRET_BYTES = 32

/** AgentMail's first waits, then longer ones, so that a receiver can be down for three days: 75.5 hours in total. */
const RETRY_AFTER_MS = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
]

interface ProfileNeeds {
  readonly eventSubjects: EventSubjects
  readonly limits: Limits
}

export function agentMailWebhooks({ eventSubjects, limits }: ProfileNeeds): WebhookProfile {
  return {
    name: 'agentmail',

    async render(event, actor) {
      const { bodyBytesMax } = limits.webhooks
      const subject = await eventSubjects.of(event, actor, bodyBytesMax)
      const rendered = subject && renderEvent(event, subject)
      return rendered && eventFrame(rendered, bodyBytesMax, subject.isWithoutBodies)
    },

    renderTest({ eventId, webhookId, at }) {
      const webhook = { webhook_id: shownWebhookId(webhookId), timestamp: time(at) }
      return JSON.stringify({ type: 'event', event_type: 'webhook.test', event_id: `evt_${eventId}`, webhook })
    },

    makeSecret: (random) => formatSecret(random(SECRET_BYTES)),

    isSecret,
    secretForm: 'A secret is "whsec_" and the base64 of 24 to 64 random bytes',

    headers({ eventId, at, body, secrets }) {
      const id = `msg_${eventId}`
      const timestamp = Math.floor(at / 1_000)
      const signature = signWebhook(secrets, { id, timestamp, body })
      return {
        'content-type': 'application/json',
        'user-agent': 'Martlet/1 (webhooks)',
        'svix-id': id,
        'svix-timestamp': String(timestamp),
        'svix-signature': signature,
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': signature,
      }
    },

    timeoutMs: limits.webhooks.timeoutMs,
    retryAfterMs: RETRY_AFTER_MS,
  }
}
