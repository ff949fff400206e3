/**
 * Webhooks of inboxai. Its documentation names an HMAC signature and no header field: they are signed and repeated as
 * AgentMail's, whose receivers and verifiers exist (docs/compatibility/inboxai.md).
 */
import type { Limits } from '../../../../config/limits.ts'
import type { EventSubjects } from '../../../../mail/messages/views/event-subject.ts'
import type { WebhookProfile } from '../../../../mail/webhooks/delivery/webhook-profile.ts'
import { agentMailWebhooks } from '../agentmail/webhook-renderer.ts'
import { eventFrame } from '../agentmail/wire/event-frame-wire.ts'
import { renderEvent } from './wire/inboxai-event-wire.ts'

interface ProfileNeeds {
  readonly eventSubjects: EventSubjects
  readonly limits: Limits
}

export function inboxaiWebhooks(needs: ProfileNeeds): WebhookProfile {
  const { bodyBytesMax } = needs.limits.webhooks
  return {
    ...agentMailWebhooks(needs),
    name: 'inboxai',

    async render(event, actor) {
      const subject = await needs.eventSubjects.of(event, actor, bodyBytesMax)
      const rendered = subject && renderEvent(event, subject)
      return rendered && eventFrame(rendered, bodyBytesMax, subject.isWithoutBodies)
    },
  }
}
