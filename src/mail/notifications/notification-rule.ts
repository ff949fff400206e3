/** Rules by which an inbox reports received messages: which messages, and to whom. Pure. */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import { isSmtpMailbox, normaliseDomain, parseRecipient } from '../../formats/address/address.ts'
import type { SenderFilter } from '../webhooks/dispatch/sender-filter.ts'

export interface NotificationRule {
  /** Unique in the inbox. */
  readonly id: string
  readonly name: string
  readonly isEnabled: boolean
  readonly senders: SenderFilter
  /** Absent: the rule has no webhook. */
  readonly webhook?: { readonly isEnabled: boolean; readonly url: string; readonly rotateSecret?: boolean }
  /** Absent: the rule sends no mail. */
  readonly mail?: { readonly isEnabled: boolean; readonly recipients: readonly string[] }
}

const ID = /^[A-Za-z0-9._~-]{1,64}$/

/** @returns the rules in their stored form @throws validation_error, too_many_recipients */
export function checkRules(rules: readonly NotificationRule[], limits: Limits): NotificationRule[] {
  const { rulesMax } = limits.notifications
  if (rules.length > rulesMax) throw invalid(`An inbox can have at most ${rulesMax} rules`)
  const ids = new Set(rules.map(({ id }) => id))
  if (ids.size < rules.length) throw invalid('Two rules have the same id', 'id')
  const checked = rules.map((rule, index) => checkRule(rule, index, limits))
  // In total: one message that matches every rule causes one mail to all of them.
  const recipients = new Set(checked.flatMap(({ mail }) => mail?.recipients ?? []))
  const { recipientsMax } = limits.notifications
  if (recipients.size > recipientsMax) throw new MailError('too_many_recipients', { recipientsMax })
  return checked
}

function checkRule(rule: NotificationRule, index: number, limits: Limits): NotificationRule {
  const { nameCharsMax, recipientsMax, domainsMax } = limits.notifications
  if (!ID.test(rule.id))
    throw invalid('The id of a rule must be 1 to 64 characters of A-Z a-z 0-9 - . _ ~', index, 'id')
  if (rule.name.length > nameCharsMax)
    throw invalid(`The name of a rule can have at most ${nameCharsMax} characters`, index, 'name')
  const domains = rule.senders.domains ?? []
  if (domains.length > domainsMax) throw invalid(`A rule can have at most ${domainsMax} domains`, index)
  if ((rule.mail?.recipients.length ?? 0) > recipientsMax) throw new MailError('too_many_recipients', { recipientsMax })
  return {
    ...rule,
    senders: { ...rule.senders, domains: domains.map((domain) => checkDomain(domain, index)) },
    ...(rule.mail && {
      mail: { ...rule.mail, recipients: rule.mail.recipients.map((address) => checkAddress(address, index)) },
    }),
  }
}

function checkDomain(text: string, index: number): string {
  const domain = normaliseDomain(text.trim())
  if (domain === undefined) throw invalid(`"${text.slice(0, 100)}" is not a domain like example.com`, index)
  return domain
}

function checkAddress(text: string, index: number): string {
  const recipient = parseRecipient(text)
  if (recipient && isSmtpMailbox(recipient.address)) return recipient.address
  throw invalid(`"${text.slice(0, 100)}" is not an address like ann@example.com`, index, 'recipients')
}

function invalid(detail: string, ...path: (string | number)[]): MailError {
  return new MailError('validation_error', { detail, path: ['rules', ...path] })
}
