/**
 * The rules of an inbox, which are replaced together.
 *
 * The webhook of a rule is a webhook of the inbox under the name of the rule, with a filter of senders, so its events are
 * dispatched, signed and repeated as those of all others (mail/webhooks). Mail is sent by a job (notify-by-mail.ts). If the
 * process ends within a replacement, some webhooks are already those of the new rules; the caller gets no answer and repeats
 * it. Each replacement ends with exactly the webhooks of its rules.
 */
import type { Limits } from '../../config/limits.ts'
import { isMailError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import * as rulesTable from '../../store/tables/notification-rules-table.ts'
import { assertKeyUnchanged, keyOf, lockInbox, requireInbox, requirePermission } from '../access/access.ts'
import type { Actor } from '../access/actor.ts'
import { parseWebhookUrl } from '../webhooks/config/endpoint.ts'
import { permissionsOf } from '../webhooks/config/filter-change.ts'
import { putWebhook } from '../webhooks/config/named-webhook.ts'
import type { Webhooks } from '../webhooks/config/webhooks.ts'
import { checkRules, type NotificationRule } from './notification-rule.ts'

export interface Notifications {
  /** Needs `message_read`. @throws not_found, missing_permission */
  list(actor: Actor, inbox: string): Promise<readonly NotificationRule[]>
  /**
   * Needs `message_read`, `webhook_read`, `webhook_create`, `webhook_update` and `webhook_delete`; and `message_send` if a
   * rule sends mail.
   *
   * @returns the rules, and the secrets of new webhooks by the id of their rule
   * @throws validation_error, too_many_recipients, limit_exceeded, not_found, missing_permission
   */
  replace(
    actor: Actor,
    inbox: string,
    rules: readonly NotificationRule[],
  ): Promise<{ readonly rules: readonly NotificationRule[]; readonly secrets: ReadonlyMap<string, string> }>
}

interface NotificationsNeeds {
  readonly store: Store
  /** Those of the dialect whose clients set rules. */
  readonly webhooks: Webhooks
  readonly allowPrivateNetworks: boolean
  readonly limits: Limits
}

export function createNotifications({ store, webhooks, limits, ...more }: NotificationsNeeds): Notifications {
  const urlRules = { ...more, limits }
  return {
    async list(actor, inboxRef) {
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      return rulesOf(await rulesTable.get(store.db, inbox.id))
    },

    async replace(actor, inboxRef, requested) {
      const rules = checkRules(requested, limits)
      for (const { webhook } of rules) if (webhook) parseWebhookUrl(webhook.url, urlRules)
      const sendsMail = rules.some(({ isEnabled, mail }) => isEnabled && mail?.isEnabled && mail.recipients.length > 0)
      if (sendsMail) requirePermission(actor, 'message_send')
      requirePermission(actor, 'webhook_delete') // of rules that are replaced; checked before anything is written
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const secrets = await putWebhooks(actor, inbox.id, rules)
      const stored = rules.map(({ webhook, ...rule }) => ({
        ...rule,
        ...(webhook && { webhook: { isEnabled: webhook.isEnabled, url: webhook.url } }),
      }))
      await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        await lockInbox(tx, actor, 'message_read', inbox.id)
        await rulesTable.replace(tx, {
          inbox_id: inbox.id,
          rules: JSON.stringify(stored),
          permissions: permissionsOf(keyOf(actor)),
          updated_at: tx.now,
        })
        await rulesTable.setMails(tx, inbox.id, sendsMail)
      })
      return { rules: stored, secrets }
    },
  }

  /** @returns the secrets of new webhooks by the id of their rule */
  async function putWebhooks(
    actor: Actor,
    inbox: string,
    rules: readonly NotificationRule[],
  ): Promise<Map<string, string>> {
    const secrets = new Map<string, string>()
    for (const { id, isEnabled, senders, webhook } of rules) {
      if (!webhook) continue
      const { url, rotateSecret } = webhook
      const put = { url, isEnabled: isEnabled && webhook.isEnabled, rotateSecret, senders }
      const { webhook: made, isSecretNew } = await putWebhook(webhooks, actor, inbox, nameOf(id), put)
      if (isSecretNew) secrets.set(id, made.secret)
    }
    const kept = new Set(rules.flatMap(({ id, webhook }) => (webhook ? [nameOf(id)] : [])))
    // Those of the stored rules, and of an earlier replacement that did not end.
    const { items } = await webhooks.list(actor, { inbox }, { limit: limits.lists.pageMax })
    for (const { id, clientId = '' } of items) {
      if (!clientId.startsWith(NAME) || kept.has(clientId)) continue
      await webhooks.delete(actor, { inbox }, id).catch((error: unknown) => {
        if (!isMailError(error, 'not_found')) throw error // deleted by another call meanwhile
      })
    }
    return secrets
  }
}

export function rulesOf(row: { readonly rules: string } | undefined): readonly NotificationRule[] {
  return row === undefined ? [] : (JSON.parse(row.rules) as NotificationRule[])
}

/** How the client_id of the webhook of a rule begins. */
const NAME = 'rule-'

function nameOf(ruleId: string): string {
  return `${NAME}${ruleId}`
}
