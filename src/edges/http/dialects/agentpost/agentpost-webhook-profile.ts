/**
 * Renders and signs webhook requests as receivers of AgentPost's webhooks expect them (docs/compatibility/agentpost.md): the
 * envelope of the WebSocket's events, with a signature of the time and the body.
 */
import type { Limits } from '../../../../config/limits.ts'
import { formatSecret, isSecret, signTimedBody } from '../../../../formats/webhook-signature.ts'
import type { EventSubjects } from '../../../../mail/messages/views/event-subject.ts'
import type { WebhookProfile } from '../../../../mail/webhooks/delivery/webhook-profile.ts'
import { shownId } from './prefixed-ids.ts'
import { boundedJson, renderEvent } from './wire/agentpost-event-wire.ts'
import { time } from './wire/agentpost-shape-wire.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

const SECRET_BYTES = 32

const RETRY_AFTER_MS = [30 * SECOND, 2 * MINUTE, 10 * MINUTE, HOUR, 4 * HOUR]
/** Martlet's own option: a receiver can be down for three days. */
const LONG_RETRY_AFTER_MS = [5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
const FAILURES_MAX = 50

interface ProfileNeeds {
  readonly eventSubjects: EventSubjects
  readonly limits: Limits
}

export function agentPostWebhooks({ eventSubjects, limits }: ProfileNeeds): WebhookProfile {
  return {
    name: 'agentpost',

    async render(event, actor) {
      const { bodyBytesMax } = limits.webhooks
      const subject = await eventSubjects.of(event, actor, bodyBytesMax)
      const envelope = subject && renderEvent(event, subject)
      return envelope && boundedJson(envelope, (each) => each, bodyBytesMax, subject.isWithoutBodies)
    },

    renderTest({ eventId, webhookId, at }) {
      const data = { webhook_id: shownId('whk', webhookId) }
      return JSON.stringify({ id: shownId('evt', eventId), type: 'webhook.test', timestamp: time(at), data })
    },

    makeSecret: (random) => formatSecret(random(SECRET_BYTES)),

    isSecret,

    secretForm: 'A secret is "whsec_" and the base64 of 24 to 64 random bytes',

    headers({ at, body, secrets: [newest = ''] }) {
      const timestamp = Math.floor(at / SECOND)
      return {
        'content-type': 'application/json',
        'user-agent': 'Martlet/1 (webhooks)',
        'x-agentpost-signature': signTimedBody(newest, { timestamp, body }),
        'x-agentpost-timestamp': String(timestamp),
      }
    },

    timeoutMs: limits.webhooks.longTimeoutMs,
    retryAfterMs: RETRY_AFTER_MS,
    longRetryAfterMs: LONG_RETRY_AFTER_MS,
    failuresMax: FAILURES_MAX,
  }
}
