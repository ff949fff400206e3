/**
 * Authenticates the sender of a message. SPF, DKIM, DMARC and ARC (RFC 7208, 6376, 7489, 8617) are not implemented yet:
 * the result of every received message is "not checked", and none has a verified domain. A forged sender must never
 * look authenticated.
 */
import { type Address, formatAddress, normaliseAddress, normaliseDomain } from '../../formats/address/address.ts'
import type { Arrival, Envelope } from './arrival.ts'

/** The result of the checks; stored with the message and shown to clients. */
export interface Authentication {
  readonly result: 'not checked'
  /** Present if a stranger's From is in one of our own domains. It does not hide the message: none is authenticated yet. */
  readonly ownDomainUnverified?: true
  /** The domain that the sender is authenticated for. */
  readonly verifiedDomain?: string
}

/** Domains per mailbox of From. Without a valid address it is any text of up to 2,000 characters; people read its beginning. */
const DOMAINS_PER_MAILBOX_MAX = 20
/** Domains per message: one statement looks them up. */
const DOMAINS_MAX = 1_000

export async function authenticate(_arrival: Arrival, _envelope: Envelope): Promise<Authentication> {
  return { result: 'not checked' }
}

/**
 * Returns the domains of From that must be looked up: if one of them is ours, a stranger uses our name. If a mailbox has no
 * valid address, these are the texts after each "@" as mail programs display them, without invisible characters. Mail from
 * our own queue has none, because its senders were authenticated.
 *
 * @returns each domain once, as A-labels
 */
export function unverifiedDomains({ protocol }: Arrival, from: readonly Address[]): string[] {
  if (protocol === 'local') return []
  const domains = from.flatMap((address) => {
    const shown = formatAddress(address).normalize('NFKC')
    const text = normaliseAddress(address.address) ?? shown.replace(/\p{Default_Ignorable_Code_Point}/gu, '')
    const written = [...text.matchAll(/@\s?([\p{L}\p{M}\p{N}_.-]{1,255})/gu)]
    return written.slice(0, DOMAINS_PER_MAILBOX_MAX).map(([, domain]) => normaliseDomain(domain!.replace(/\.+$/, '')))
  })
  return [...new Set(domains.filter((domain) => domain !== undefined))].slice(0, DOMAINS_MAX)
}
