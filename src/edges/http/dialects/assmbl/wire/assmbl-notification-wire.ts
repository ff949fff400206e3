/** Rules of notifications (docs/compatibility/assmbl.md). */
import { type Static, Type } from 'typebox'
import { MailError } from '../../../../../errors.ts'
import type { NotificationRule } from '../../../../../mail/notifications/notification-rule.ts'

const Flag = Type.Optional(Type.Boolean())

const Filters = Type.Object({
  sender_verified: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  traffic_types: Type.Optional(Type.Array(Type.Enum(['direct', 'marketplace']))),
  sender_domains: Type.Optional(Type.Array(Type.String())),
  trust_tiers: Type.Optional(Type.Array(Type.Enum(['verified', 'unverified']))),
})

const Rule = Type.Object({
  id: Type.String(),
  name: Type.Optional(Type.String()),
  enabled: Flag,
  filters: Type.Optional(Filters),
  channels: Type.Object({
    webhook: Type.Optional(Type.Object({ enabled: Flag, url: Type.String(), rotate_secret: Flag })),
    email: Type.Optional(Type.Object({ enabled: Flag, recipients: Type.Array(Type.String()) })),
  }),
})

/** The list itself, or an object with it: the documentation shows the call of a client, not the request. */
export const RulesBody = Type.Union([Type.Array(Rule), Type.Object({ rules: Type.Array(Rule) })])

/** @throws validation_error, not_implemented */
export function readRules(body: Static<typeof RulesBody>): NotificationRule[] {
  return ('rules' in body ? body.rules : body).map(readRule)
}

function readRule(rule: Static<typeof Rule>, index: number) {
  const { id, name = '', enabled = true, filters = {}, channels } = rule
  refuseUnknownFilters(rule, index)
  const { webhook, email } = channels
  const types = filters.traffic_types ?? []
  if (types.length > 0 && !types.includes('direct')) {
    throw new MailError('not_implemented', { subject: 'Paid requests', operation: 'traffic_types: ["marketplace"]' })
  }
  return {
    ...{ id, name, isEnabled: enabled },
    senders: { isVerified: readVerified(filters, index), domains: filters.sender_domains },
    ...(webhook && {
      webhook: { isEnabled: webhook.enabled ?? true, url: webhook.url, rotateSecret: webhook.rotate_secret ?? false },
    }),
    ...(email && { mail: { isEnabled: email.enabled ?? true, recipients: email.recipients } }),
  }
}

/** Characters of a member's name that an error repeats. */
const NAME_CHARS_MAX = 64

/**
 * Other unknown members are only reported. A filter that is ignored would report the mail of everyone, also to people outside. So
 * would a filter that is a member of the rule itself.
 *
 * @throws validation_error
 */
function refuseUnknownFilters(rule: Static<typeof Rule>, index: number): void {
  const known = Object.keys(Filters.properties)
  const unknown = Object.keys(rule.filters ?? {}).find((name) => !known.includes(name))
  const beside = ['filter', ...known].find((name) => Object.hasOwn(rule, name))
  const wrong = beside ?? unknown
  if (wrong === undefined) return
  const name = wrong.slice(0, NAME_CHARS_MAX).toWellFormed()
  const path = ['rules', index, ...(beside === undefined ? ['filters', name] : [name])]
  const detail = `${path.join('.')} is unknown: the members of filters are ${known.join(', ')}`
  throw new MailError('validation_error', { detail, path })
}

/** Both filters say the same: a sender has two tiers here. */
function readVerified(filters: NonNullable<Static<typeof Rule>['filters']>, index: number): boolean | undefined {
  const tiers = new Set(filters.trust_tiers ?? [])
  const byTier = tiers.size === 1 ? tiers.has('verified') : undefined
  const bySender = filters.sender_verified ?? undefined
  if (byTier !== undefined && bySender !== undefined && byTier !== bySender) {
    const detail = 'sender_verified and trust_tiers exclude each other'
    throw new MailError('validation_error', { detail, path: ['rules', index, 'filters'] })
  }
  return byTier ?? bySender
}

export function shownRules(rules: readonly NotificationRule[], secrets: ReadonlyMap<string, string> = new Map()) {
  return { rules: rules.map((rule) => shownRule(rule, secrets.get(rule.id))) }
}

function shownRule({ id, name, isEnabled, senders, webhook, mail }: NotificationRule, secret: string | undefined) {
  return {
    id,
    name,
    enabled: isEnabled,
    filters: { sender_verified: senders.isVerified ?? null, sender_domains: senders.domains ?? [] },
    channels: {
      ...(webhook && {
        webhook: {
          enabled: webhook.isEnabled,
          url: webhook.url,
          ...(secret !== undefined && { signing_secret: secret }),
        },
      }),
      ...(mail && { email: { enabled: mail.isEnabled, recipients: mail.recipients } }),
    },
  }
}
