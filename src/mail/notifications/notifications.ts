/**
 * The rules of an inbox, which are replaced together.
 *
 * The webhook of a rule is a webhook of the inbox under the name of the rule, with a filter of senders, so its events are
 * dispatched, signed and repeated as those of all others (mail/webhooks). Mail is sent by a job (notify-by-mail.ts).
 *
 *   put, rotate and delete webhooks, one by one → store the rules, unless other rules were stored meanwhile: then again
 *
 * So the rules that are stored last also have exactly their webhooks. If a replacement breaks off, by a crash or because
 * there are too many webhooks, some are already those of the new rules; the caller repeats it, which also removes them. A
 * secret is shown to callers until rules with its webhook are stored: a repeated call shows it again.
 */
import type { Limits } from '../../config/limits.ts'
import { isMailError, MailError } from '../../errors.ts'
import type { NotificationRulesRow } from '../../store/schema/webhook-rows.ts'
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
   * @throws validation_error, too_many_recipients, limit_exceeded, not_found, missing_permission; unavailable when other
   *   calls replace the rules again and again meanwhile
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
      const stored = rules.map(({ webhook, ...rule }) => ({
        ...rule,
        ...(webhook && { webhook: { isEnabled: webhook.isEnabled, url: webhook.url } }),
      }))
      let before = await rulesTable.get(store.db, inbox.id)
      const secrets: Secrets = { known: idsWithWebhook(before), shown: new Map() }
      for (let tries = 0; tries < limits.notifications.replaceTriesMax; tries += 1) {
        await putWebhooks(actor, inbox.id, tries === 0 ? rules : stored, secrets)
        const after = await storeRules(actor, inbox.id, before, stored, sendsMail)
        if (after === 'stored') return { rules: stored, secrets: secrets.shown }
        before = after
      }
      throw new MailError('unavailable', {})
    },
  }

  /** @returns the rules that another call has stored since `before` was read: then these are not stored */
  async function storeRules(
    actor: Actor,
    inboxId: string,
    before: NotificationRulesRow | undefined,
    stored: readonly NotificationRule[],
    sendsMail: boolean,
  ): Promise<NotificationRulesRow | undefined | 'stored'> {
    return store.transaction(async (tx) => {
      await assertKeyUnchanged(tx, actor)
      await lockInbox(tx, actor, 'message_read', inboxId)
      const current = await rulesTable.get(tx, inboxId)
      if (current?.version !== before?.version) return current
      await rulesTable.replace(tx, {
        inbox_id: inboxId,
        rules: JSON.stringify(stored),
        permissions: permissionsOf(keyOf(actor)),
        version: tx.newId(),
        updated_at: tx.now,
      })
      await rulesTable.setMails(tx, inboxId, sendsMail)
      return 'stored' as const
    })
  }

  async function putWebhooks(
    actor: Actor,
    inbox: string,
    rules: readonly NotificationRule[],
    { known, shown }: Secrets,
  ): Promise<void> {
    for (const { id, isEnabled, senders, webhook } of rules) {
      if (!webhook) continue
      const { url, rotateSecret } = webhook
      const put = { url, isEnabled: isEnabled && webhook.isEnabled, rotateSecret, senders }
      const { webhook: made, isSecretNew } = await putWebhook(webhooks, actor, inbox, nameOf(id), put)
      if (isSecretNew || !known.has(id)) shown.set(id, made.secret)
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
  }
}

/** Secrets by the id of their rule. */
interface Secrets {
  /** Those that a caller has got. */
  readonly known: ReadonlySet<string>
  /** Those for the caller of this replacement. */
  readonly shown: Map<string, string>
}

function idsWithWebhook(row: NotificationRulesRow | undefined): Set<string> {
  return new Set(rulesOf(row).flatMap(({ id, webhook }) => (webhook ? [id] : [])))
}

export function rulesOf(row: { readonly rules: string } | undefined): readonly NotificationRule[] {
  return row === undefined ? [] : (JSON.parse(row.rules) as NotificationRule[])
}

/** How the client_id of the webhook of a rule begins. */
const NAME = 'rule-'

function nameOf(ruleId: string): string {
  return `${NAME}${ruleId}`
}
