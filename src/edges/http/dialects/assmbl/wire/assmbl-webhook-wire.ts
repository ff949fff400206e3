/** The webhook of an agent. Its secret is shown when it is new, and never again. */
import type { Webhook } from '../../../../../mail/webhooks/config/webhook.ts'

export function shownWebhook(webhook: Webhook, isSecretNew = false) {
  return {
    url: webhook.url,
    enabled: webhook.isEnabled,
    ...(isSecretNew && { signing_secret: webhook.secret }),
    disabled_reason: webhook.disabledReason ?? null,
    created_at: new Date(webhook.createdAt).toISOString(),
    updated_at: new Date(webhook.updatedAt).toISOString(),
  }
}
