/**
 * Defines every limit of a body, queue, buffer, wait or retry once, with its default, unit and description. Each file in
 * limits/ defines one group; no other file defines a limit. docs/configuration.md is generated from them.
 *
 * Code gets the whole object and reads the group that it needs: `limits.webhooks.leaseMs`.
 */
import { accessLimits } from './limits/limits-access.ts'
import { authenticationLimits } from './limits/limits-authentication.ts'
import { challengesLimits } from './limits/limits-challenges.ts'
import { deliveryLimits } from './limits/limits-delivery.ts'
import { dnsLimits } from './limits/limits-dns.ts'
import { domainsLimits } from './limits/limits-domains.ts'
import { eventsLimits } from './limits/limits-events.ts'
import { httpLimits } from './limits/limits-http.ts'
import { imapLimits } from './limits/limits-imap.ts'
import { jobsLimits } from './limits/limits-jobs.ts'
import { listEntriesLimits } from './limits/limits-list-entries.ts'
import { listsLimits } from './limits/limits-lists.ts'
import { mailboxesLimits } from './limits/limits-mailboxes.ts'
import { messagesLimits } from './limits/limits-messages.ts'
import { notificationsLimits } from './limits/limits-notifications.ts'
import { parsingLimits } from './limits/limits-parsing.ts'
import { policyLimits } from './limits/limits-policy.ts'
import { receivingLimits } from './limits/limits-receiving.ts'
import { reportsLimits } from './limits/limits-reports.ts'
import { searchLimits } from './limits/limits-search.ts'
import { sendingLimits } from './limits/limits-sending.ts'
import { serverLimits } from './limits/limits-server.ts'
import { signUpLimits } from './limits/limits-sign-up.ts'
import { smtpLimits } from './limits/limits-smtp.ts'
import { socketsLimits } from './limits/limits-sockets.ts'
import { storeLimits } from './limits/limits-store.ts'
import { streamsLimits } from './limits/limits-streams.ts'
import { uploadsLimits } from './limits/limits-uploads.ts'
import { webhooksLimits } from './limits/limits-webhooks.ts'

/** Tests and embedders may override these limits; environment variables cannot. */
export const limits = {
  smtp: smtpLimits,
  imap: imapLimits,
  receiving: receivingLimits,
  policy: policyLimits,
  authentication: authenticationLimits,
  parsing: parsingLimits,
  http: httpLimits,
  access: accessLimits,
  signUp: signUpLimits,
  lists: listsLimits,
  listEntries: listEntriesLimits,
  sockets: socketsLimits,
  streams: streamsLimits,
  events: eventsLimits,
  messages: messagesLimits,
  mailboxes: mailboxesLimits,
  search: searchLimits,
  sending: sendingLimits,
  uploads: uploadsLimits,
  challenges: challengesLimits,
  delivery: deliveryLimits,
  dns: dnsLimits,
  domains: domainsLimits,
  jobs: jobsLimits,
  webhooks: webhooksLimits,
  notifications: notificationsLimits,
  reports: reportsLimits,
  store: storeLimits,
  server: serverLimits,
}

type Groups = typeof limits

export type Limits = { readonly [G in keyof Groups]: { readonly [K in keyof Groups[G]]: number } }

/** Limits that differ from their defaults. */
export type LimitOverrides = { readonly [G in keyof Groups]?: { readonly [K in keyof Groups[G]]?: number } }

/** Merges the changes into one. If two change the same limit, the later one wins. */
export function mergeLimits(...changes: readonly (LimitOverrides | undefined)[]): LimitOverrides {
  const merged: Record<string, object> = {}
  for (const change of changes) {
    for (const [group, values] of Object.entries(change ?? {})) merged[group] = { ...merged[group], ...values }
  }
  return merged as LimitOverrides
}

/** Returns the defaults with these changes. If two change the same limit, the later one wins. */
export function withLimits(...changes: readonly (LimitOverrides | undefined)[]): Limits {
  const changed = mergeLimits(...changes)
  const groups = Object.entries(limits).map(([group, defaults]) => {
    const values = Object.entries(defaults).map(([name, limit]) => [name, limit.default])
    return [group, Object.freeze({ ...Object.fromEntries(values), ...changed[group as keyof Limits] })]
  })
  return Object.freeze(Object.fromEntries(groups)) as Limits
}
