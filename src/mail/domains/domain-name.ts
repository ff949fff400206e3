/** Names of domains: which ones a tenant may claim, and which claim decides about a name. No I/O. */
import { MailError } from '../../errors.ts'
import { normaliseDomain } from '../../formats/address/address.ts'
import type { DomainRow } from '../../store/schema/tenant-rows.ts'

/** So a name has a bounded number of names above it. DNS allows 127 labels (RFC 1035 §3.1). */
const LABELS_MAX = 10

/**
 * Returns the normal form of a name that may be claimed.
 *
 * @param sharedDomain neither it nor a domain below it can be claimed
 * @throws validation_error
 */
export async function parseDomainName(text: string, sharedDomain: string): Promise<string> {
  const domain = normaliseDomain(text.trim().replace(/\.$/, ''))
  if (domain === undefined || domain.startsWith('[') || !domain.includes('.'))
    throw invalid('domain must be a domain name like example.com')
  if (domain.split('.').length > LABELS_MAX) throw invalid(`domain can have at most ${LABELS_MAX} labels`)
  if (domain === sharedDomain || domain.endsWith(`.${sharedDomain}`)) {
    throw invalid(`${sharedDomain} is the shared domain of this server: everyone can create inboxes in it`)
  }
  const { getPublicSuffix } = await import('tldts') // 200 KB of data, which a start does not load
  // With its private section (publicsuffix.org): in github.io, too, each name below belongs to somebody else.
  if (getPublicSuffix(domain, { allowPrivateDomains: true }) === domain) {
    throw invalid(`${domain} is a public suffix: the domains below it belong to different owners`)
  }
  return domain
}

/** Returns the name and those above it: one of them may have a claim that decides about the name. */
export function decidingNames(domain: string): string[] {
  const labels = domain.split('.')
  const first = Math.max(0, labels.length - LABELS_MAX)
  return labels.slice(first).map((_label, index) => labels.slice(first + index).join('.'))
}

/**
 * Returns the claim that decides about a name: the one to this name, else the nearest above it whose subdomains may have
 * inboxes.
 *
 * @param holders rows that hold one of `decidingNames`
 */
export function decidingClaim(domain: string, holders: readonly DomainRow[]): DomainRow | undefined {
  const byName = new Map(holders.map((row) => [row.domain, row]))
  for (const name of decidingNames(domain)) {
    const row = byName.get(name)
    if (row && (name === domain || row.subdomains_enabled === 1)) return row
  }
  return undefined
}

function invalid(detail: string): MailError {
  return new MailError('validation_error', { detail, path: ['domain'] })
}
