/**
 * Renders and signs webhook requests as receivers of Assmbl's webhooks expect them: one event, `mail.received`, with the
 * message as the inbox lists it; bodies are fetched with its id (docs/compatibility/assmbl.md).
 */
import type { Limits } from '../../../../config/limits.ts'
import { signTimedBody } from '../../../../formats/webhook-signature.ts'
import { isRenderedWithMessage } from '../../../../mail/events/log/message-events.ts'
import type { SenderTrust } from '../../../../mail/messages/sender-trust.ts'
import type { EventSubjects } from '../../../../mail/messages/views/event-subject.ts'
import type { WebhookProfile } from '../../../../mail/webhooks/delivery/webhook-profile.ts'
import { messageItem } from './wire/assmbl-message-wire.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Assmbl documents no schedule. A receiver can be down for three days. */
const RETRY_AFTER_MS = [MINUTE / 2, 2 * MINUTE, 10 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, 24 * HOUR, 36 * HOUR]

const SECRET_BYTES = 32
const SECRET = /^[\da-f]{64}$/

/** Bounds of a body, for mail with thousands of recipients or a subject as long as a header may be. */
const LISTS_MAX = 100
const SUBJECT_CHARS_MAX = 1_000

interface ProfileNeeds {
  readonly eventSubjects: EventSubjects
  readonly senderTrust: SenderTrust
  readonly limits: Limits
}

export function assmblWebhooks({ eventSubjects, senderTrust, limits }: ProfileNeeds): WebhookProfile {
  return {
    name: 'assmbl',

    async render(event, actor) {
      if (!isRenderedWithMessage(event.type)) return undefined
      const subject = await eventSubjects.of(event, actor, limits.webhooks.bodyBytesMax)
      if (!subject?.message) return undefined // deleted meanwhile, or hidden from the webhook
      const item = messageItem(subject.message, senderTrust)
      const [To, Cc, Attachments] = [item.To, item.Cc, item.Attachments].map((list) => list.slice(0, LISTS_MAX))
      const Subject = item.Subject.slice(0, SUBJECT_CHARS_MAX).toWellFormed()
      return JSON.stringify({
        event: 'mail.received',
        event_id: event.eventId,
        timestamp: new Date(event.at).toISOString(),
        agent_id: item.AgentID,
        message: { ...item, To, Cc, Attachments, Subject },
      })
    },

    renderTest: ({ eventId, webhookId, at }) =>
      JSON.stringify({
        event: 'webhook.test',
        event_id: eventId,
        timestamp: new Date(at).toISOString(),
        webhook_id: webhookId,
      }),

    makeSecret: (random) => random(SECRET_BYTES).toString('hex'),
    isSecret: (text) => SECRET.test(text),
    secretForm: 'A secret is 64 lower-case hexadecimal digits',

    headers({ at, body, secrets }) {
      const timestamp = Math.floor(at / 1_000)
      return {
        'content-type': 'application/json',
        'user-agent': 'Martlet/1 (webhooks)',
        'x-agentmail-timestamp': String(timestamp),
        // One signature: receivers compare the whole value. So a new secret signs at once.
        'x-agentmail-signature': `v1=${signTimedBody(secrets[0]!, { timestamp, body })}`,
      }
    },

    timeoutMs: limits.webhooks.timeoutMs,
    retryAfterMs: RETRY_AFTER_MS,
  }
}
